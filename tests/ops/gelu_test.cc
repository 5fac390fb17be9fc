#include "ops/gelu.h"

#include <cmath>

#include "ops/scalar/elementwise.h"
#include "support/dual.h"
#include "support/op_run.h"

namespace falconer::test {
namespace {

TEST(Gelu, BackwardMatchesDualNumbers) {
  for (const bool approximate : {false, true})
    for (const auto& size : {std::pair<int64_t, int64_t>{3, 7}, {1, 1}, {0, 5}}) {
      const int64_t n = size.first, f = size.second;
      const Block<double> values = random_block(n, f, 1), dy = random_block(n, f, 2);
      Block<Dual> x = lift(values);
      const auto loss = [&] {
        Block<Dual> y(n, f);
        scalar::gelu_forward<Dual>(x, y, 0, n, approximate);
        return weigh(dy, y);
      };
      Block<double> d = dy;
      scalar::gelu_backward<double>(values, d, 0, n, approximate);
      expect_exact(d, dual_gradient(x, loss));
    }
}

TEST(Gelu, ApproximationAgreesWithDouble) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const TestView x(3, 33, dtype, 1), y(3, 33, dtype, 3), d(3, 33, dtype, 2);
    Block<double> want(3, 33), want_d = d.values();
    scalar::gelu_forward<double>(x.values(), want, 0, 3, true);
    scalar::gelu_backward<double>(x.values(), want_d, 0, 3, true);
    const double most = max_abs(d.values());
    OpRun r;
    gelu_forward(r.run, {.x = x, .y = y, .tanh = true});
    gelu_backward(r.run, {.x = x, .d = d, .tanh = true});
    expect_agrees(y, want, 12, 1 + max_abs(x.values()));
    expect_agrees(d, want_d, 12, most * (1 + max_abs(x.values())));
  }
}

// x P(x), not the tanh approximation, which differs by up to 5e-4.
TEST(Gelu, IsExact) {
  Block<double> x(1, 161), want(1, 161);
  for (int64_t i = 0; i < 161; ++i) {
    x(0, i) = static_cast<double>(i - 80) / 16;
    want(0, i) = static_cast<double>(
        x(0, i) * std::erfc(-static_cast<long double>(x(0, i)) / std::sqrt(2.0L)) / 2);
  }
  Block<double> exact(1, 161);
  scalar::gelu_forward<double>(x, exact, 0, 1);
  for (int64_t i = 0; i < 161; ++i) EXPECT_NEAR(exact(0, i), want(0, i), 1e-15 * (5 + 1));
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const TestView in(x, dtype), out(1, 161, dtype);
    OpRun r;
    gelu_forward(r.run, {.x = in, .y = out});
    expect_agrees(out, want, 4, 5);
  }
}

TEST(Gelu, BackwardAgreesWithDouble) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const TestView x(3, 33, dtype, 1), d(3, 33, dtype, 2);
    Block<double> want = d.values();
    scalar::gelu_backward<double>(x.values(), want, 0, 3);
    const double most = max_abs(d.values());
    OpRun r;
    gelu_backward(r.run, {.x = x, .d = d});
    expect_agrees(d, want, 10, most * (1 + max_abs(x.values())));
  }
}

TEST(Gelu, WorksInPlace) {
  const TestView x(3, 7), y(3, 7, Dtype::kF32, 2);
  OpRun r;
  gelu_forward(r.run, {.x = x, .y = y});
  gelu_forward(r.run, {.x = x, .y = x});
  EXPECT_TRUE(same_values(x.values(), y.values()));
}

TEST(Gelu, FarValuesSaturate) {
  Block<double> far(1, 2);
  far(0, 0) = 200, far(0, 1) = -200;
  const TestView x(far), d(1, 2);
  const Block<double> dy = d.values();
  OpRun r;
  gelu_backward(r.run, {.x = x, .d = d});
  EXPECT_EQ(d.values()(0, 0), dy(0, 0));
  EXPECT_EQ(d.values()(0, 1), 0);
  gelu_forward(r.run, {.x = x, .y = x});
  EXPECT_EQ(x.values()(0, 0), 200);
  EXPECT_EQ(x.values()(0, 1), 0);
}

TEST(Gelu, ShapesAreCheckedAndDryRunTouchesNothing) {
  const TestView x(3, 7), y(3, 6), half(3, 7, Dtype::kBF16), d(3, 7, Dtype::kF32, 4);
  const Block<double> before = d.values();
  OpRun r;
  EXPECT_THROW(gelu_forward(r.run, {.x = x, .y = y}), InternalError);
  EXPECT_THROW(gelu_forward(r.run, {.x = x, .y = half}), InternalError);
  EXPECT_THROW(gelu_backward(r.run, {.x = x, .d = y}), InternalError);
  EXPECT_THROW(gelu_backward(r.run, {.x = x, .d = half}), InternalError);
  DryRun dry;
  gelu_forward(dry.run, {.x = x, .y = d});
  gelu_backward(dry.run, {.x = x, .d = d});
  EXPECT_TRUE(same_values(d.values(), before));
}

}  // namespace
}  // namespace falconer::test
