#include "ops/dropout.h"

#include "ops/scalar/elementwise.h"
#include "support/dual.h"
#include "support/op_run.h"

namespace falconer::test {
namespace {

const RandomStream kStream(11, RandomPurpose::kDropout, 3, 5);

TEST(Dropout, IsItsOwnBackward) {
  for (const bool add : {false, true}) {
    const Block<double> dy = random_block(5, 7, 2);
    Block<Dual> x = lift(random_block(5, 7, 1)), y0 = lift(random_block(5, 7, 3));
    const auto loss = [&] {
      Block<Dual> y = y0;
      scalar::dropout<Dual>(x, y, 0.3, kStream, 13, add, 0, 5);
      return weigh(dy, y);
    };
    Block<double> dx = random_block(5, 7, 4);
    scalar::dropout<double>(dy, dx, 0.3, kStream, 13, false, 0, 5);
    expect_exact(dx, dual_gradient(x, loss));
  }
}

TEST(Dropout, DropsTheShareAskedForAndKeepsTheMean) {
  constexpr int64_t kRows = 200, kCols = 500;
  for (const float p : {0.05f, 0.5f}) {
    const TestView x(map(Block<double>(kRows, kCols), [](double) { return 1; })), y(kRows, kCols);
    OpRun r;
    dropout(r.run, {.x = x, .y = y, .p = p, .stream = kStream});
    const Block<double> got = y.values();
    double dropped = 0;
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t j = 0; j < kCols; ++j) {
        dropped += got(i, j) == 0;
        if (got(i, j) != 0) {
          EXPECT_FLOAT_EQ(static_cast<float>(got(i, j)), 1 / (1 - p));
        }
      }
    // Five standard deviations of a binomial count.
    const double n = kRows * kCols;
    EXPECT_NEAR(dropped / n, p, 5 * std::sqrt(p * (1 - p) / n));
  }
}

// Keeps out defect 31 of docs/defects.md.
TEST(Dropout, MaskDoesNotDependOnHowRowsAreCut) {
  const TestView x(6, 7), whole(6, 7), parts(6, 7);
  OpRun r;
  dropout(r.run, {.x = x, .y = whole, .p = 0.4f, .stream = kStream, .first = 100});
  for (const auto& [begin, count] : {std::pair<int64_t, int64_t>{0, 1}, {1, 3}, {4, 2}})
    dropout(r.run, {.x = x.view().row_range(begin, count),
                    .y = parts.view().row_range(begin, count),
                    .p = 0.4f,
                    .stream = kStream,
                    .first = 100 + static_cast<uint64_t>(begin * 7)});
  EXPECT_TRUE(same_values(whole.values(), parts.values()));
}

TEST(Dropout, StreamsGiveDifferentMasks) {
  const TestView x(6, 7), a(6, 7), b(6, 7);
  OpRun r;
  dropout(r.run, {.x = x, .y = a, .p = 0.5f, .stream = kStream});
  dropout(r.run, {.x = x, .y = b, .p = 0.5f, .stream = {11, RandomPurpose::kDropout, 4, 5}});
  EXPECT_FALSE(same_values(a.values(), b.values()));
}

TEST(Dropout, ZeroRateIsTheIdentityAndInPlaceWorks) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const TestView x(5, 7, dtype), y(5, 7, dtype, 2);
    OpRun r;
    dropout(r.run, {.x = x, .y = y, .p = 0});
    EXPECT_TRUE(same_values(x.values(), y.values()));
    dropout(r.run, {.x = x, .y = y, .p = 0.5f, .stream = kStream});
    dropout(r.run, {.x = x, .y = x, .p = 0.5f, .stream = kStream});
    EXPECT_TRUE(same_values(x.values(), y.values()));
  }
}

TEST(Dropout, OpAgreesWithDoubleAndAdds) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16})
    for (const bool add : {false, true}) {
      const TestView x(5, 7, dtype), y(5, 7, dtype, 2);
      Block<double> want = y.values();
      const double size = 2 * max_abs(x.values()) + max_abs(want);
      scalar::dropout<double>(x.values(), want, 0.3f, kStream, 9, add, 0, 5);
      OpRun r;
      dropout(r.run, {.x = x, .y = y, .p = 0.3f, .stream = kStream, .first = 9, .add = add});
      expect_agrees(y, want, 3, size);
    }
}

TEST(Dropout, ShapesAreCheckedAndDryRunTouchesNothing) {
  const TestView x(5, 7), y(5, 7), other(4, 6), half(5, 7, Dtype::kBF16);
  const Block<double> before = y.values();
  OpRun r;
  EXPECT_THROW(dropout(r.run, {.x = x, .y = other, .p = 0.5f}), InternalError);
  EXPECT_THROW(dropout(r.run, {.x = x, .y = half, .p = 0.5f}), InternalError);
  EXPECT_THROW(dropout(r.run, {.x = x, .y = y, .p = 1.0f}), InternalError);
  EXPECT_THROW(dropout(r.run, {.x = x, .y = y, .p = -0.1f}), InternalError);
  DryRun dry;
  dropout(dry.run, {.x = x, .y = y, .p = 0.5f});
  EXPECT_TRUE(same_values(y.values(), before));
}

}  // namespace
}  // namespace falconer::test
