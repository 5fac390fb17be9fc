#include "ops/soft_cap.h"

#include "ops/scalar/elementwise.h"
#include "ops/scale.h"
#include "support/dual.h"
#include "support/op_run.h"

namespace falconer::test {
namespace {

constexpr float kCap = 1.5f;

TEST(SoftCap, BackwardMatchesDualNumbers) {
  for (const auto& size : {std::pair<int64_t, int64_t>{3, 7}, {1, 1}, {0, 5}}) {
    const int64_t n = size.first, v = size.second;
    Block<double> y = random_block(n, v, 1);
    const Block<double> dy = random_block(n, v, 2);
    Block<Dual> x = lift(y);
    const auto loss = [&] {
      Block<Dual> capped = x;
      scalar::soft_cap_forward<Dual>(capped, kCap, 0, n);
      return weigh(dy, capped);
    };
    Block<double> d = dy;
    scalar::soft_cap_forward<double>(y, kCap, 0, n);
    scalar::soft_cap_backward<double, double>(y, d, kCap, 0, n);
    expect_exact(d, dual_gradient(x, loss));
  }
}

TEST(SoftCap, OpAgreesWithDouble) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const TestView x(3, 33, Dtype::kF32, 1), d(3, 33, dtype, 2);
    Block<double> want = x.values(), want_d = d.values();
    scalar::soft_cap_forward<double>(want, kCap, 0, 3);
    scalar::soft_cap_backward<double, double>(want, want_d, kCap, 0, 3);
    OpRun r;
    soft_cap_forward(r.run, {.x = x, .cap = kCap});
    expect_agrees(x, want, 6, kCap);
    soft_cap_backward(r.run, {.y = x, .d = d, .cap = kCap});
    expect_agrees(d, want_d, 10, 2 * max_abs(want_d));
  }
}

TEST(SoftCap, ShapesAreCheckedAndDryRunTouchesNothing) {
  const TestView y(3, 7), d(3, 7, Dtype::kF32, 4), narrow(3, 6);
  const Block<double> before = d.values();
  OpRun r;
  EXPECT_THROW(soft_cap_backward(r.run, {.y = y, .d = narrow, .cap = 1}), InternalError);
  EXPECT_THROW(soft_cap_backward(r.run, {.y = y, .d = d}), InternalError);
  EXPECT_THROW(soft_cap_forward(r.run, {.x = y}), InternalError);
  DryRun dry;
  soft_cap_forward(dry.run, {.x = d, .cap = 1});
  soft_cap_backward(dry.run, {.y = y, .d = d, .cap = 1});
  scale(dry.run, {.x = d, .factor = 2});
  EXPECT_TRUE(same_values(d.values(), before));
}

TEST(ScaleOp, Multiplies) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const TestView x(3, 7, dtype);
    const Block<double> want = map(x.values(), [](double v) { return 0.7f * v; });
    OpRun r;
    scale(r.run, {.x = x, .factor = 0.7f});
    expect_agrees(x, want, 1, max_abs(want));
  }
}

}  // namespace
}  // namespace falconer::test
