#include "ops/gated.h"

#include <cmath>

#include "ops/scalar/elementwise.h"
#include "support/dual.h"
#include "support/op_run.h"

namespace falconer::test {
namespace {

constexpr Activation kActivations[] = {Activation::kSilu, Activation::kGelu, Activation::kGeluTanh};

TEST(Gated, BackwardMatchesDualNumbers) {
  for (const Activation act : kActivations)
    for (const auto& size : {std::pair<int64_t, int64_t>{3, 7}, {1, 1}, {0, 5}}) {
      const int64_t n = size.first, f = size.second;
      const Block<double> gate = random_block(n, f, 1), up = random_block(n, f, 2),
                          dy = random_block(n, f, 3);
      Block<Dual> dual_gate = lift(gate), dual_up = lift(up);
      const auto loss = [&] {
        Block<Dual> y(n, f);
        scalar::gated_forward<Dual>(dual_gate, dual_up, y, act, 0, n);
        return weigh(dy, y);
      };
      Block<double> dgate = random_block(n, f, 4), dup = random_block(n, f, 5);  // overwritten
      scalar::gated_backward<double>(gate, up, dy, dgate, dup, act, 0, n);
      expect_exact(dgate, dual_gradient(dual_gate, loss));
      expect_exact(dup, dual_gradient(dual_up, loss));
    }
}

// As torch.nn.functional has them, in double.
TEST(Gated, ActivationsAreThoseOfPyTorch) {
  const struct {
    double z, silu, gelu, tanh;
  } known[] = {{-3, -0.14227761953270035, -0.00404969409489031, -0.0036373920817729943},
               {-0.5, -0.1887703343990727, -0.15426876936299344, -0.15428599017485606},
               {1.25, 0.9716248264683639, 1.117937782916431, 1.1177142029697147},
               {4, 3.928055160151634, 3.9998733150326675, 3.9999297540518075}};
  for (const auto& k : known) {
    EXPECT_NEAR(scalar::activate(Activation::kSilu, k.z), k.silu, 1e-14);
    EXPECT_NEAR(scalar::activate(Activation::kGelu, k.z), k.gelu, 1e-14);
    EXPECT_NEAR(scalar::activate(Activation::kGeluTanh, k.z), k.tanh, 1e-14);
  }
}

TEST(Gated, OpAgreesWithDouble) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16})
    for (const Activation act : kActivations) {
      const TestView gate(3, 33, dtype, 1), up(3, 33, dtype, 2), dy(3, 33, dtype, 3),
          y(3, 33, dtype, 4), dgate(3, 33, dtype, 5), dup(3, 33, dtype, 6);
      Block<double> want(3, 33), want_dgate(3, 33), want_dup(3, 33);
      scalar::gated_forward<double>(gate.values(), up.values(), want, act, 0, 3);
      scalar::gated_backward<double>(gate.values(), up.values(), dy.values(), want_dgate, want_dup,
                                     act, 0, 3);
      OpRun r;
      gated_forward(r.run, {.gate = gate, .up = up, .y = y, .act = act});
      gated_backward(r.run,
                     {.gate = gate, .up = up, .dy = dy, .dgate = dgate, .dup = dup, .act = act});
      const double most = 1 + max_abs(gate.values());
      expect_agrees(y, want, 12, most * max_abs(up.values()));
      expect_agrees(dgate, want_dgate, 12, most * max_abs(dy.values()) * max_abs(up.values()));
      expect_agrees(dup, want_dup, 12, most * max_abs(dy.values()));
    }
}

TEST(Gated, AnEmptyGradientIsSkipped) {
  const TestView gate(3, 7), up(3, 7, Dtype::kF32, 2), dy(3, 7, Dtype::kF32, 3),
      both(3, 7, Dtype::kF32, 4), other(3, 7, Dtype::kF32, 5), one(3, 7, Dtype::kF32, 6);
  OpRun r;
  gated_backward(r.run, {.gate = gate, .up = up, .dy = dy, .dgate = both, .dup = other});
  gated_backward(r.run, {.gate = gate, .up = up, .dy = dy, .dgate = one});
  EXPECT_TRUE(same_values(one.values(), both.values()));
  gated_backward(r.run, {.gate = gate, .up = up, .dy = dy, .dup = one});
  EXPECT_TRUE(same_values(one.values(), other.values()));
  gated_backward(r.run, {.gate = gate, .up = up, .dy = dy});
}

TEST(Gated, FarValuesSaturate) {
  Block<double> far(1, 2), ones(1, 2);
  far(0, 0) = 200, far(0, 1) = -200, ones(0, 0) = ones(0, 1) = 1;
  for (const Activation act : kActivations) {
    const TestView gate(far), one(ones), y(1, 2), dgate(1, 2), dup(1, 2);
    OpRun r;
    gated_forward(r.run, {.gate = gate, .up = one, .y = y, .act = act});
    gated_backward(r.run,
                   {.gate = gate, .up = one, .dy = one, .dgate = dgate, .dup = dup, .act = act});
    EXPECT_EQ(y.values()(0, 0), 200);
    EXPECT_NEAR(y.values()(0, 1), 0, 1e-38);
    EXPECT_EQ(dgate.values()(0, 0), 1);
    EXPECT_NEAR(dgate.values()(0, 1), 0, 1e-38);
  }
}

TEST(Gated, ShapesAreCheckedAndDryRunTouchesNothing) {
  const TestView x(3, 7), d(3, 7, Dtype::kF32, 4), e(3, 7, Dtype::kF32, 5), narrow(3, 6),
      half(3, 7, Dtype::kBF16);
  const Block<double> before = d.values();
  OpRun r;
  for (const TestView* bad : {&narrow, &half}) {
    EXPECT_THROW(gated_forward(r.run, {.gate = *bad, .up = x, .y = d}), InternalError);
    EXPECT_THROW(gated_forward(r.run, {.gate = x, .up = *bad, .y = d}), InternalError);
    EXPECT_THROW(gated_forward(r.run, {.gate = x, .up = x, .y = *bad}), InternalError);
    for (View GatedBackward::*field : {&GatedBackward::gate, &GatedBackward::up, &GatedBackward::dy,
                                       &GatedBackward::dgate, &GatedBackward::dup}) {
      GatedBackward args{.gate = x, .up = x, .dy = x, .dgate = d, .dup = e};
      args.*field = *bad;
      EXPECT_THROW(gated_backward(r.run, args), InternalError);
    }
  }
  EXPECT_THROW(gated_backward(r.run, {.gate = x, .up = x, .dy = x, .dgate = d, .dup = d}),
               InternalError);
  DryRun dry;
  gated_forward(dry.run, {.gate = x, .up = x, .y = d});
  gated_backward(dry.run, {.gate = x, .up = x, .dy = x, .dgate = d, .dup = e});
  EXPECT_TRUE(same_values(d.values(), before));
}

}  // namespace
}  // namespace falconer::test
