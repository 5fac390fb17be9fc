#include "ops/norm.h"

#include "ops/scalar/norm.h"
#include "support/dual.h"
#include "support/op_run.h"

namespace falconer::test {
namespace {

constexpr double kEps = 1e-5;

struct NormCase {
  NormCase(int64_t n, int64_t c)
      : x(random_block(n, c, 1)),
        w(random_block(1, c, 2)),
        b(random_block(1, c, 3)),
        dy(random_block(n, c, 4)),
        y(n, c),
        stats(n, 2) {
    scalar::norm_forward<double>(x, w, b, y, stats, kEps, 0, n);
  }
  Block<double> x, w, b, dy, y, stats;
};

TEST(Norm, BackwardMatchesDualNumbers) {
  for (const auto& size : {std::pair<int64_t, int64_t>{3, 7}, {1, 2}, {5, 16}, {0, 4}}) {
    const int64_t n = size.first, c = size.second;
    const NormCase k(n, c);
    Block<Dual> x = lift(k.x), w = lift(k.w), b = lift(k.b);
    const auto loss = [&] {
      Block<Dual> y(n, c), stats(n, 2);
      scalar::norm_forward<Dual>(x, w, b, y, stats, kEps, 0, n);
      return weigh(k.dy, y);
    };
    Block<double> dx(n, c), dw(1, c), db(1, c);
    scalar::norm_backward_x<double>(k.x, k.w, k.stats, k.dy, dx, 0, n);
    scalar::norm_backward_w<double>(k.x, k.stats, k.dy, dw, db, 0, c);
    expect_exact(dx, dual_gradient(x, loss));
    expect_exact(dw, dual_gradient(w, loss));
    expect_exact(db, dual_gradient(b, loss));
  }
}

// One column: the variance is 0, y is b, and nothing flows back to x.
TEST(Norm, OneColumnHasNoGradient) {
  const NormCase k(3, 1);
  Block<double> dx(3, 1);
  scalar::norm_backward_x<double>(k.x, k.w, k.stats, k.dy, dx, 0, 3);
  EXPECT_EQ(max_abs(dx), 0);
  for (int n = 0; n < 3; ++n) EXPECT_EQ(k.y(n, 0), k.b(0, 0));
}

TEST(Norm, ForwardHasMeanBAndVarianceWSquared) {
  NormCase k(3, 50);
  for (int64_t c = 0; c < 50; ++c) k.w(0, c) = 3, k.b(0, c) = 0.5;
  scalar::norm_forward<double>(k.x, k.w, k.b, k.y, k.stats, 0, 0, 3);
  for (int64_t n = 0; n < 3; ++n) {
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < 50; ++c) mean += k.y(n, c) / 50;
    for (int64_t c = 0; c < 50; ++c) variance += (k.y(n, c) - mean) * (k.y(n, c) - mean) / 50;
    EXPECT_NEAR(mean, 0.5, 1e-12);
    EXPECT_NEAR(variance, 9, 1e-11);
  }
}

struct NormOp {
  NormOp(int64_t n, int64_t c, Dtype dtype)
      : x(n, c, dtype, 1),
        w(1, c, Dtype::kF32, 2),
        b(1, c, Dtype::kF32, 3),
        y(n, c, dtype, 4),
        stats(n, 2, Dtype::kF32, 5),
        dy(n, c, dtype, 6),
        dx(n, c, dtype, 7),
        dw(1, c, Dtype::kF32, 8),
        db(1, c, Dtype::kF32, 9) {}
  NormForward forward() const { return {.x = x, .w = w, .b = b, .y = y, .stats = stats}; }
  NormBackward backward() const {
    return {.x = x, .w = w, .stats = stats, .dy = dy, .dx_add = dx, .dw = dw, .db = db};
  }
  TestView x, w, b, y, stats, dy, dx, dw, db;
};

TEST(Norm, OpAgreesWithDoubleAndGradientsAdd) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16})
    for (const auto& [n, c] : {std::pair<int64_t, int64_t>{3, 7}, {1, 33}, {5, 64}}) {
      const NormOp k(n, c, dtype);
      const Block<double> x = k.x.values(), w = k.w.values(), dy = k.dy.values();
      Block<double> y(n, c), stats(n, 2), dx = k.dx.values(), dw = k.dw.values(),
                                          db = k.db.values();
      // What already stands in the gradients is part of the sum that is rounded.
      const double dx0 = max_abs(dx), dw0 = max_abs(dw), db0 = max_abs(db);
      scalar::norm_forward<double>(x, w, k.b.values(), y, stats, 1e-5f, 0, n);
      scalar::norm_backward_x<double>(x, w, stats, dy, dx, 0, n);
      scalar::norm_backward_w<double>(x, stats, dy, dw, db, 0, c);
      OpRun r;
      norm_forward(r.run, k.forward());
      norm_backward(r.run, k.backward());
      double rstd = 0;
      for (int64_t i = 0; i < n; ++i) rstd = std::max(rstd, stats(i, 1));
      // h is off by about C roundings of |x| r; d = dy w; <d h> h is at most the norm of d.
      const double h = 1 + max_abs(x) * rstd, d = row_norm(dy) * max_abs(w), terms = c + 10;
      expect_agrees(k.stats, stats, terms, 1 + max_abs(x) + rstd * h);
      expect_agrees(k.y, y, terms, h * max_abs(w) + max_abs(k.b.values()));
      expect_agrees(k.dx, dx, terms, 3 * rstd * d * h + dx0);
      expect_agrees(k.dw, dw, terms + n, n * max_abs(dy) * h + dw0);
      expect_agrees(k.db, db, n + 1, n * max_abs(dy) + db0);
    }
}

TEST(Norm, BackwardSkipsWhatIsFrozen) {
  OpRun r;
  for (View NormBackward::*absent : {&NormBackward::dx_add, &NormBackward::dw, &NormBackward::db}) {
    const NormOp whole(3, 7, Dtype::kF32), part(3, 7, Dtype::kF32), before(3, 7, Dtype::kF32);
    norm_forward(r.run, whole.forward());
    norm_forward(r.run, part.forward());
    NormBackward args = part.backward();
    args.*absent = View{};
    norm_backward(r.run, whole.backward());
    norm_backward(r.run, args);
    const auto check = [&](View NormBackward::*field, const TestView& got, const TestView& all,
                           const TestView& none) {
      EXPECT_TRUE(same_values(got.values(), (field == absent ? none : all).values()));
    };
    check(&NormBackward::dx_add, part.dx, whole.dx, before.dx);
    check(&NormBackward::dw, part.dw, whole.dw, before.dw);
    check(&NormBackward::db, part.db, whole.db, before.db);
  }
}

TEST(Norm, AnEmptyBiasIsZero) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const NormOp without(3, 7, dtype), with(3, 7, dtype);
    const TestView zero(Block<double>(1, 7));
    OpRun r;
    NormForward args = without.forward();
    args.b = {};
    norm_forward(r.run, args);
    args = with.forward();
    args.b = zero;
    norm_forward(r.run, args);
    EXPECT_TRUE(same_values(without.y.values(), with.y.values()));
  }
}

TEST(Norm, DryRunTouchesNothing) {
  const NormOp k(3, 7, Dtype::kF32), before(3, 7, Dtype::kF32);
  DryRun dry;
  norm_forward(dry.run, k.forward());
  norm_backward(dry.run, k.backward());
  EXPECT_TRUE(same_values(k.y.values(), before.y.values()));
  EXPECT_TRUE(same_values(k.stats.values(), before.stats.values()));
  EXPECT_TRUE(same_values(k.dx.values(), before.dx.values()));
  EXPECT_TRUE(same_values(k.dw.values(), before.dw.values()));
}

TEST(Norm, NoRowsIsNoWork) {
  const NormOp k(0, 7, Dtype::kF32), before(0, 7, Dtype::kF32);
  OpRun r;
  norm_forward(r.run, k.forward());
  norm_backward(r.run, k.backward());
  EXPECT_TRUE(same_values(k.dw.values(), before.dw.values()));
}

TEST(Norm, ShapesAreChecked) {
  const NormOp k(3, 7, Dtype::kF32);
  const TestView other(4, 6);
  OpRun r;
  for (View NormForward::*field :
       {&NormForward::x, &NormForward::w, &NormForward::b, &NormForward::y, &NormForward::stats}) {
    NormForward args = k.forward();
    args.*field = other;
    EXPECT_THROW(norm_forward(r.run, args), InternalError);
  }
  for (View NormBackward::*field :
       {&NormBackward::x, &NormBackward::w, &NormBackward::stats, &NormBackward::dy,
        &NormBackward::dx_add, &NormBackward::dw, &NormBackward::db}) {
    NormBackward args = k.backward();
    args.*field = other;
    EXPECT_THROW(norm_backward(r.run, args), InternalError);
  }
}

}  // namespace
}  // namespace falconer::test
