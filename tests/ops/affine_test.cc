#include "ops/affine.h"

#include "ops/scalar/elementwise.h"
#include "support/dual.h"
#include "support/op_run.h"

namespace falconer::test {
namespace {

TEST(Affine, BackwardMatchesDualNumbers) {
  for (const auto& size : {std::pair<int64_t, int64_t>{3, 7}, {1, 1}, {0, 5}, {5, 2}}) {
    const int64_t n = size.first, m = size.second;
    const Block<double> values = random_block(n, m, 1), dy = random_block(n, m, 5);
    const Block<double> s = random_block(1, m, 2), b = random_block(1, m, 3);
    Block<Dual> x = lift(values), scale = lift(s), bias = lift(b);
    const Block<double> around = random_block(1, m, 4);
    const Block<Dual> about = lift(around);
    const auto loss = [&] {
      Block<Dual> y = x, kept(n, m);
      scalar::affine_forward<Dual>(y.mat(), scale.cmat(), bias.cmat(), about.cmat(), kept.mat(), 0,
                                   n);
      return weigh(dy, y);
    };
    Block<double> y = values, kept(n, m), d = dy, dscale(1, m), dbias(1, m);
    scalar::affine_forward<double>(y.mat(), s.cmat(), b.cmat(), around.cmat(), kept.mat(), 0, n);
    scalar::affine_backward<double>(kept.cmat(), s.cmat(), d.mat(), dscale.mat(), dbias.mat(), 0,
                                    m);
    expect_exact(d, dual_gradient(x, loss));
    expect_exact(dscale, dual_gradient(scale, loss));
    expect_exact(dbias, dual_gradient(bias, loss));
  }
}

struct AffineOp {
  AffineOp(int64_t n, int64_t m, Dtype dtype, Dtype kept)
      : y(n, m, dtype, 1),
        scale(1, m, Dtype::kF32, 2),
        bias(1, m, Dtype::kF32, 3),
        about(1, m, Dtype::kF32, 4),
        a(n, m, kept, 5),
        d(n, m, dtype, 6),
        dscale(1, m, Dtype::kF32, 7),
        dbias(1, m, Dtype::kF32, 8) {}
  AffineForward forward() const {
    return {.y = y, .scale = scale, .bias = bias, .about = about, .a = a};
  }
  AffineBackward backward() const {
    return {.a = a, .scale = scale, .d = d, .dscale = dscale, .dbias = dbias};
  }
  TestView y, scale, bias, about, a, d, dscale, dbias;
};

TEST(Affine, OpAgreesWithDoubleAndGradientsAdd) {
  // A product into f32 may be kept as bf16.
  for (const auto& [dtype, kept_dtype] : {std::pair<Dtype, Dtype>{Dtype::kF32, Dtype::kF32},
                                          {Dtype::kBF16, Dtype::kBF16},
                                          {Dtype::kF32, Dtype::kBF16}})
    for (const auto& [n, m] : {std::pair<int64_t, int64_t>{3, 7}, {1, 33}}) {
      const AffineOp op(n, m, dtype, kept_dtype);
      Block<double> y = op.y.values(), a(n, m), d = op.d.values(), dscale = op.dscale.values(),
                    dbias = op.dbias.values();
      const Block<double> scale = op.scale.values();
      const double inner = max_abs(y) + max_abs(op.bias.values()) + max_abs(op.about.values()),
                   slope = max_abs(scale);
      const double most_d = max_abs(d), before = max_abs(dscale) + max_abs(dbias);
      const Block<double> bias = op.bias.values(), about = op.about.values();
      scalar::affine_forward<double>(y.mat(), scale.cmat(), bias.cmat(), about.cmat(), a.mat(), 0,
                                     n);
      OpRun r;
      affine_forward(r.run, op.forward());
      expect_agrees(op.a, a, 2, inner);
      expect_agrees(op.y, y, 4, inner * slope + max_abs(op.about.values()));
      const Block<double> kept = op.a.values();  // as rounded: what backward is given
      scalar::affine_backward<double>(kept.cmat(), scale.cmat(), d.mat(), dscale.mat(), dbias.mat(),
                                      0, m);
      affine_backward(r.run, op.backward());
      expect_agrees(op.d, d, 1, most_d * slope);
      expect_agrees(op.dscale, dscale, n + 2, n * most_d * inner + before);
      expect_agrees(op.dbias, dbias, n + 2, n * most_d * slope + before);
    }
}

TEST(Affine, EmptyBiasesAreZeroAndEmptyOutputsAreSkipped) {
  const AffineOp op(3, 7, Dtype::kF32, Dtype::kF32), before(3, 7, Dtype::kF32, Dtype::kF32);
  OpRun r;
  affine_forward(r.run, {.y = op.y, .scale = op.scale});
  Block<double> want = before.y.values();
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t c = 0; c < 7; ++c) want(i, c) *= op.scale.values()(0, c);
  expect_agrees(op.y, want, 0, 0);
  EXPECT_TRUE(same_values(op.a.values(), before.a.values()));

  const AffineOp whole(3, 7, Dtype::kF32, Dtype::kF32);
  affine_backward(r.run, whole.backward());
  affine_backward(r.run, {.scale = op.scale, .d = op.d, .dbias = op.dbias});  // frozen: no a kept
  EXPECT_TRUE(same_values(op.d.values(), whole.d.values()));
  EXPECT_TRUE(same_values(op.dbias.values(), whole.dbias.values()));
  EXPECT_TRUE(same_values(op.dscale.values(), before.dscale.values()));
  affine_backward(r.run,
                  {.a = before.a, .scale = before.scale, .d = before.d, .dscale = before.dscale});
  EXPECT_TRUE(same_values(before.dscale.values(), whole.dscale.values()));
  EXPECT_TRUE(same_values(before.d.values(), whole.d.values()));
}

TEST(Affine, DryRunTouchesNothing) {
  const AffineOp op(3, 7, Dtype::kF32, Dtype::kF32), before(3, 7, Dtype::kF32, Dtype::kF32);
  DryRun dry;
  affine_forward(dry.run, op.forward());
  affine_backward(dry.run, op.backward());
  EXPECT_TRUE(same_values(op.y.values(), before.y.values()));
  EXPECT_TRUE(same_values(op.d.values(), before.d.values()));
  EXPECT_TRUE(same_values(op.dscale.values(), before.dscale.values()));
}

TEST(Affine, ShapesAreChecked) {
  const AffineOp op(3, 7, Dtype::kF32, Dtype::kF32);
  const TestView other(4, 6);
  OpRun r;
  for (View AffineForward::*field : {&AffineForward::y, &AffineForward::scale, &AffineForward::bias,
                                     &AffineForward::about, &AffineForward::a}) {
    AffineForward args = op.forward();
    args.*field = other;
    EXPECT_THROW(affine_forward(r.run, args), InternalError);
  }
  for (View AffineBackward::*field :
       {&AffineBackward::a, &AffineBackward::scale, &AffineBackward::d, &AffineBackward::dscale,
        &AffineBackward::dbias}) {
    AffineBackward args = op.backward();
    args.*field = other;
    EXPECT_THROW(affine_backward(r.run, args), InternalError);
  }
}

}  // namespace
}  // namespace falconer::test
