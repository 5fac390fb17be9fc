#include "ops/residual.h"

#include "support/op_run.h"

namespace falconer::test {
namespace {

TEST(Residual, SumsTwoOrThreeTermsInPlaceToo) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16})
    for (const bool three : {false, true}) {
      const TestView x(3, 7, dtype, 1), a(3, 7, dtype, 2), b(3, 7, dtype, 3), y(3, 7, dtype, 4);
      Block<double> want = x.values() + a.values();
      if (three) want = want + b.values();
      const double size = max_abs(x.values()) + max_abs(a.values()) + max_abs(b.values());
      Residual args{.x = x, .a = a, .y = y};
      if (three) args.b = b;
      OpRun r;
      residual(r.run, args);
      expect_agrees(y, want, 2, size);
      args.y = x;
      residual(r.run, args);
      EXPECT_TRUE(same_values(x.values(), y.values()));
    }
}

TEST(Residual, SetZeroStaysInsideTheView) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const TestView x(3, 7, dtype);
    OpRun r;
    set_zero(r.run, x);
    EXPECT_EQ(max_abs(x.values()), 0);
    EXPECT_TRUE(x.margin_intact());
    set_zero(r.run, View{});
  }
}

TEST(Residual, CopyConverts) {
  for (const Dtype from : {Dtype::kF32, Dtype::kBF16})
    for (const Dtype to : {Dtype::kF32, Dtype::kBF16}) {
      const TestView x(3, 7, from, 1), y(3, 7, to, 2);
      OpRun r;
      copy(r.run, x, y);
      EXPECT_TRUE(same_values(y.values(), TestView(x.values(), to).values()));
      EXPECT_TRUE(y.margin_intact());
    }
}

TEST(Residual, ShapesAreCheckedAndDryRunTouchesNothing) {
  const TestView x(3, 7), y(3, 7, Dtype::kF32, 2), other(3, 6), half(3, 7, Dtype::kBF16);
  const Block<double> before = y.values();
  OpRun r;
  EXPECT_THROW(residual(r.run, {.x = other, .a = x, .y = y}), InternalError);
  EXPECT_THROW(residual(r.run, {.x = x, .a = other, .y = y}), InternalError);
  EXPECT_THROW(residual(r.run, {.x = x, .a = x, .b = other, .y = y}), InternalError);
  EXPECT_THROW(residual(r.run, {.x = x, .a = x, .b = half, .y = y}), InternalError);
  EXPECT_THROW(residual(r.run, {.x = half, .a = x, .y = y}), InternalError);
  EXPECT_THROW(copy(r.run, x, other), InternalError);
  DryRun dry;
  residual(dry.run, {.x = x, .a = x, .y = y});
  set_zero(dry.run, y);
  copy(dry.run, x, y);
  EXPECT_TRUE(same_values(y.values(), before));
}

}  // namespace
}  // namespace falconer::test
