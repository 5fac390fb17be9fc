#include "ops/rms_norm.h"

#include "ops/scalar/norm.h"
#include "support/dual.h"
#include "support/heads_case.h"
#include "support/op_run.h"

namespace falconer::test {
namespace {

constexpr double kRmsEps = 1e-6;

/// Rows, groups, heads of a group and their size: a row as one head, and heads among others.
const HeadsShape kRmsShapes[] = {{3, 1, 1, 7}, {1, 1, 1, 1}, {5, 1, 1, 16},
                                 {3, 2, 3, 4}, {2, 3, 1, 5}, {0, 2, 1, 4}};

struct RmsCase {
  RmsCase(const HeadsShape& s, double offset)
      : shape(s),
        offset(offset),
        x(random_block(s.rows, s.fused(), 1)),
        w(random_block(1, s.size, 2)),
        dy(random_block(s.rows, s.fused(), 3)),
        y(s.rows, s.fused()),
        stats(s.rows, s.heads()) {
    scalar::rms_norm_forward<double>(s.q(x.cmat()), w, s.q(y.mat()), stats, kRmsEps, offset, 0,
                                     s.rows);
  }
  HeadsShape shape;
  double offset;
  Block<double> x, w, dy, y, stats;
};

/// Of a fused row the queries' columns alone; the others 0.
Block<double> queries_of(const HeadsShape& s, const Block<double>& x) {
  Block<double> out(x.rows(), x.cols());
  for (int64_t n = 0; n < s.rows; ++n)
    for (int64_t h = 0; h < s.heads(); ++h)
      for (int64_t d = 0; d < s.size; ++d)
        s.q(out.mat()).head(n, h)[d] = s.q(x.cmat()).head(n, h)[d];
  return out;
}

TEST(RmsNorm, BackwardMatchesDualNumbers) {
  for (const HeadsShape& s : kRmsShapes)
    for (const double offset : {0.0, 1.0}) {
      const RmsCase k(s, offset);
      const Block<double> dy = queries_of(s, k.dy);
      Block<Dual> x = lift(k.x), w = lift(k.w);
      const auto loss = [&] {
        Block<Dual> y(s.rows, s.fused()), stats(s.rows, s.heads());
        scalar::rms_norm_forward<Dual>(s.q(x.cmat()), w, s.q(y.mat()), stats, kRmsEps, offset, 0,
                                       s.rows);
        return weigh(dy, y);
      };
      Block<double> dx(s.rows, s.fused()), dw(1, s.size);
      scalar::rms_norm_backward_x<double>(s.q(k.x.cmat()), k.w, k.stats, s.q(dy.cmat()),
                                          s.q(dx.mat()), offset, false, 0, s.rows);
      scalar::rms_norm_backward_w<double>(s.q(k.x.cmat()), k.stats, s.q(dy.cmat()), dw, 0, s.size);
      expect_exact(dx, dual_gradient(x, loss));
      expect_exact(dw, dual_gradient(w, loss));
    }
}

TEST(RmsNorm, ForwardHasRootMeanSquareOfTheWeight) {
  RmsCase k({3, 1, 1, 50}, 1);
  for (int64_t c = 0; c < 50; ++c) k.w(0, c) = 2;
  scalar::rms_norm_forward<double>(k.shape.q(k.x.cmat()), k.w, k.shape.q(k.y.mat()), k.stats, 0, 1,
                                   0, 3);
  for (int64_t n = 0; n < 3; ++n) {
    double squares = 0;
    for (int64_t c = 0; c < 50; ++c) squares += k.y(n, c) * k.y(n, c) / 50;
    EXPECT_NEAR(squares, 9, 1e-12);  // (1 + 2)^2
  }
}

struct RmsOp {
  RmsOp(const HeadsShape& s, Dtype dtype)
      : shape(s),
        x(s.rows, s.fused(), dtype, 1),
        w(1, s.size, Dtype::kF32, 2),
        y(s.rows, s.fused(), dtype, 4),
        stats(s.rows, s.heads(), Dtype::kF32, 5),
        dy(s.rows, s.fused(), dtype, 6),
        dx(s.rows, s.fused(), dtype, 7),
        dw(1, s.size, Dtype::kF32, 8) {}
  RmsNormForward forward(float offset = 0) const {
    return {.x = shape.q(x.view()),
            .y = shape.q(y.view()),
            .w = w,
            .stats = stats,
            .eps = 1e-6f,
            .offset = offset};
  }
  RmsNormBackward backward(float offset = 0, bool add = false) const {
    return {.x = shape.q(x.view()),
            .w = w,
            .stats = stats,
            .dy = shape.q(dy.view()),
            .dx = shape.q(dx.view()),
            .dw = dw,
            .offset = offset,
            .add_dx = add};
  }
  HeadsShape shape;
  TestView x, w, y, stats, dy, dx, dw;
};

TEST(RmsNorm, OpAgreesWithDouble) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16})
    for (const HeadsShape& s : kRmsShapes)
      for (const bool add : {false, true}) {
        const RmsOp k(s, dtype);
        const float offset = add ? 1 : 0;
        const Block<double> x = k.x.values(), w = k.w.values(), dy = k.dy.values();
        Block<double> y = k.y.values(), stats(s.rows, s.heads()), dx = k.dx.values(),
                      dw = k.dw.values();
        const double dx0 = max_abs(dx), dw0 = max_abs(dw), most_w = offset + max_abs(w);
        scalar::rms_norm_forward<double>(s.q(x.cmat()), w, s.q(y.mat()), stats, 1e-6f, offset, 0,
                                         s.rows);
        scalar::rms_norm_backward_x<double>(s.q(x.cmat()), w, stats, s.q(dy.cmat()), s.q(dx.mat()),
                                            offset, add, 0, s.rows);
        scalar::rms_norm_backward_w<double>(s.q(x.cmat()), stats, s.q(dy.cmat()), dw, 0, s.size);
        OpRun r;
        rms_norm_forward(r.run, k.forward(offset));
        rms_norm_backward(r.run, k.backward(offset, add));
        // |h| <= sqrt(D), and <d h> h is at most the norm of d.
        const double h = std::sqrt(static_cast<double>(s.size)), terms = s.size + 10.0;
        const double d = row_norm(dy) * most_w, sums = static_cast<double>(s.rows * s.heads());
        expect_agrees(k.stats, stats, terms, max_abs(stats));
        expect_agrees(k.y, y, terms, h * most_w);
        expect_agrees(k.dx, dx, terms, 3 * max_abs(stats) * d * h + dx0);
        expect_agrees(k.dw, dw, terms + sums, sums * max_abs(dy) * h + dw0);
      }
}

TEST(RmsNorm, BackwardSkipsWhatIsFrozen) {
  const HeadsShape s{3, 2, 2, 5};
  const RmsOp whole(s, Dtype::kF32), no_dx(s, Dtype::kF32), no_dw(s, Dtype::kF32),
      before(s, Dtype::kF32);
  OpRun r;
  for (const RmsOp* op : {&whole, &no_dx, &no_dw}) {
    rms_norm_forward(r.run, op->forward());
    RmsNormBackward args = op->backward();
    if (op == &no_dx) args.dx = {};
    if (op == &no_dw) args.dw = {};
    rms_norm_backward(r.run, args);
  }
  EXPECT_TRUE(same_values(no_dx.dx.values(), before.dx.values()));
  EXPECT_TRUE(same_values(no_dx.dw.values(), whole.dw.values()));
  EXPECT_TRUE(same_values(no_dw.dx.values(), whole.dx.values()));
  EXPECT_TRUE(same_values(no_dw.dw.values(), before.dw.values()));
}

TEST(RmsNorm, DryRunTouchesNothing) {
  const HeadsShape s{3, 2, 2, 5};
  const RmsOp k(s, Dtype::kF32), before(s, Dtype::kF32);
  DryRun dry;
  rms_norm_forward(dry.run, k.forward());
  rms_norm_backward(dry.run, k.backward());
  EXPECT_TRUE(same_values(k.y.values(), before.y.values()));
  EXPECT_TRUE(same_values(k.stats.values(), before.stats.values()));
  EXPECT_TRUE(same_values(k.dx.values(), before.dx.values()));
  EXPECT_TRUE(same_values(k.dw.values(), before.dw.values()));
}

TEST(RmsNorm, ShapesAreChecked) {
  const RmsOp k({3, 2, 2, 5}, Dtype::kF32);
  const TestView other(4, 6);
  OpRun r;
  for (View RmsNormForward::*field : {&RmsNormForward::w, &RmsNormForward::stats}) {
    RmsNormForward args = k.forward();
    args.*field = other;
    EXPECT_THROW(rms_norm_forward(r.run, args), InternalError);
  }
  for (View RmsNormBackward::*field :
       {&RmsNormBackward::w, &RmsNormBackward::stats, &RmsNormBackward::dw}) {
    RmsNormBackward args = k.backward();
    args.*field = other;
    EXPECT_THROW(rms_norm_backward(r.run, args), InternalError);
  }
  for (Heads RmsNormBackward::*field :
       {&RmsNormBackward::x, &RmsNormBackward::dy, &RmsNormBackward::dx})
    for (int what = 0; what < 3; ++what) {
      RmsNormBackward args = k.backward();
      if (what == 0) (args.*field).size += 1;
      if (what == 1) (args.*field).groups += 1;
      if (what == 2) (args.*field).rows = (args.*field).rows.row_range(0, 2);
      EXPECT_THROW(rms_norm_backward(r.run, args), InternalError);
    }
  RmsNormForward args = k.forward();
  args.y.size += 1;
  EXPECT_THROW(rms_norm_forward(r.run, args), InternalError);
}

}  // namespace
}  // namespace falconer::test
