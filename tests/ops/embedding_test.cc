#include "ops/embedding.h"

#include "ops/scalar/embedding.h"
#include "support/dual.h"
#include "support/op_run.h"

namespace falconer::test {
namespace {

TEST(Embedding, BackwardMatchesDualNumbers) {
  for (const int64_t cols : {1, 5}) {
    const std::vector<int32_t> ids = {3, 0, 3, 6, 3};  // repeated rows add up
    const Block<double> dy = random_block(5, cols, 2);
    Block<Dual> w = lift(random_block(7, cols, 1));
    const auto loss = [&] {
      Block<Dual> y(5, cols);
      scalar::embedding_forward<Dual, Dual>(ids.data(), w, y, 0, 5);
      return weigh(dy, y);
    };
    Block<double> dw(7, cols);
    scalar::embedding_backward<double>(ids.data(), dy, dw, 0, cols);
    expect_exact(dw, dual_gradient(w, loss));
  }
}

TEST(Gather, BackwardMatchesDualNumbers) {
  const std::vector<int32_t> index = {4, 0, 2};
  const Block<double> dy = random_block(3, 5, 2);
  Block<Dual> x = lift(random_block(6, 5, 1));
  const auto loss = [&] {
    Block<Dual> y(3, 5);
    scalar::gather_forward<Dual>(x, index.data(), y, 0, 3);
    return weigh(dy, y);
  };
  Block<double> dx = random_block(6, 5, 3);  // overwritten, also where nothing was taken
  scalar::gather_backward<double>(dy, index.data(), dx);
  expect_exact(dx, dual_gradient(x, loss));
}

TEST(Embedding, RowsAreCopiedInTheActivationsDtype) {
  std::vector<int32_t> ids = {6, 1, 6};
  for (const Dtype weight : {Dtype::kF32, Dtype::kBF16})
    for (const Dtype activation : {Dtype::kF32, Dtype::kBF16}) {
      const TestView w(7, 5, weight), y(3, 5, activation, 2);
      OpRun r;
      embedding_forward(r.run, {.ids = ints(ids), .w = w, .y = y});
      Block<double> want(3, 5);
      const Block<double> table = w.values();
      for (int i = 0; i < 3; ++i)
        for (int c = 0; c < 5; ++c) want(i, c) = table(ids[i], c);
      expect_agrees(y, TestView(want, activation).values(), 0, 0);
    }
}

TEST(Embedding, GradientsAdd) {
  std::vector<int32_t> ids = {6, 1, 6};
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const TestView dy(3, 5, dtype, 2), dw(7, 5, Dtype::kF32, 3);
    Block<double> want = dw.values();
    scalar::embedding_backward<double>(ids.data(), dy.values(), want, 0, 5);
    OpRun r;
    embedding_backward(r.run, {.ids = ints(ids), .dy = dy, .dw = dw});
    expect_agrees(dw, want, 3, 3 * max_abs(dy.values()) + max_abs(want));
  }
}

TEST(Embedding, NoTokensIsNoWork) {
  std::vector<int32_t> ids;
  const TestView w(7, 5), none(0, 5), dw(7, 5);
  const Block<double> before = dw.values();
  OpRun r;
  embedding_forward(r.run, {.ids = ints(ids), .w = w, .y = none});
  embedding_backward(r.run, {.ids = ints(ids), .dy = none, .dw = dw});
  EXPECT_TRUE(same_values(dw.values(), before));
}

TEST(Gather, RowsNotTakenHaveNoGradient) {
  std::vector<int32_t> index = {4, 0}, none;
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const TestView x(6, 3, dtype, 1), y(2, 3, dtype, 2), dx(6, 3, dtype, 3);
    OpRun r;
    gather_forward(r.run, {.x = x, .index = ints(index), .y = y});
    gather_backward(r.run, {.dy = y, .index = ints(index), .dx = dx});
    const Block<double> from = x.values(), back = dx.values();
    for (int64_t i = 0; i < 6; ++i)
      for (int64_t c = 0; c < 3; ++c)
        EXPECT_EQ(back(i, c), i == 4 || i == 0 ? from(i, c) : 0) << i << "," << c;
    EXPECT_TRUE(dx.margin_intact());
    gather_backward(r.run, {.dy = TestView(0, 3, dtype), .index = ints(none), .dx = dx});
    EXPECT_EQ(max_abs(dx.values()), 0);
  }
}

TEST(Embedding, ShapesAreChecked) {
  std::vector<int32_t> ids = {1, 2}, more = {1, 2, 3};
  const TestView w(7, 5), y(2, 5), narrow(2, 4), half(7, 5, Dtype::kBF16);
  OpRun r;
  EXPECT_THROW(embedding_forward(r.run, {.ids = ints(more), .w = w, .y = y}), InternalError);
  EXPECT_THROW(embedding_forward(r.run, {.ids = y, .w = w, .y = y}), InternalError);
  EXPECT_THROW(embedding_forward(r.run, {.ids = ints(ids), .w = w, .y = narrow}), InternalError);
  EXPECT_THROW(embedding_backward(r.run, {.ids = ints(more), .dy = y, .dw = w}), InternalError);
  EXPECT_THROW(embedding_backward(r.run, {.ids = ints(ids), .dy = narrow, .dw = w}), InternalError);
  EXPECT_THROW(embedding_backward(r.run, {.ids = ints(ids), .dy = y, .dw = half}), InternalError);
  EXPECT_THROW(gather_forward(r.run, {.x = w, .index = ints(more), .y = y}), InternalError);
  EXPECT_THROW(gather_forward(r.run, {.x = half, .index = ints(ids), .y = y}), InternalError);
  EXPECT_THROW(gather_backward(r.run, {.dy = y, .index = ints(more), .dx = w}), InternalError);
  EXPECT_THROW(gather_backward(r.run, {.dy = narrow, .index = ints(ids), .dx = w}), InternalError);
}

TEST(Embedding, DryRunTouchesNothing) {
  std::vector<int32_t> ids = {1, 2};
  const TestView w(7, 5), y(2, 5);
  const Block<double> y_before = y.values(), w_before = w.values();
  DryRun dry;
  embedding_forward(dry.run, {.ids = ints(ids), .w = w, .y = y});
  embedding_backward(dry.run, {.ids = ints(ids), .dy = y, .dw = w});
  gather_forward(dry.run, {.x = w, .index = ints(ids), .y = y});
  gather_backward(dry.run, {.dy = y, .index = ints(ids), .dx = w});
  EXPECT_TRUE(same_values(y.values(), y_before));
  EXPECT_TRUE(same_values(w.values(), w_before));
}

}  // namespace
}  // namespace falconer::test
