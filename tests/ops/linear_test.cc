#include "ops/linear.h"

#include "ops/scalar/linear.h"
#include "support/dual.h"
#include "support/op_run.h"

namespace falconer::test {
namespace {

struct Sizes {
  int64_t n, k, m;
};
constexpr Sizes kSizes[] = {{3, 5, 7}, {1, 1, 1}, {5, 1, 4}, {4, 17, 1}, {0, 3, 2}, {2, 0, 3}};

struct LinearCase {
  explicit LinearCase(Sizes s)
      : x(random_block(s.n, s.k, 1)),
        w(random_block(s.m, s.k, 2)),
        b(random_block(1, s.m, 3)),
        y(random_block(s.n, s.m, 4)),
        dy(random_block(s.n, s.m, 5)) {}
  Block<double> x, w, b, y, dy;
  double scale = 1.75;
};

TEST(Linear, BackwardMatchesDualNumbers) {
  for (const Sizes s : kSizes) {
    const LinearCase c(s);
    Block<Dual> x = lift(c.x), w = lift(c.w), b = lift(c.b), y0 = lift(c.y);
    const auto loss = [&] {
      Block<Dual> y = y0;
      scalar::linear_forward<Dual, Dual, Dual>(x, w, b, y, c.scale, true, 0, s.n);
      return weigh(c.dy, y);
    };
    Block<double> dx(s.n, s.k), dw(s.m, s.k), db(1, s.m);
    scalar::linear_backward_x<double, double>(c.dy, c.w, dx, c.scale, false, 0, s.n);
    scalar::linear_backward_w<double>(c.x, c.dy, dw, c.scale, 0, s.m);
    scalar::linear_backward_b<double>(c.dy, db, 0, s.m);
    expect_exact(dx, dual_gradient(x, loss));
    expect_exact(dw, dual_gradient(w, loss));
    expect_exact(db, dual_gradient(b, loss));
    expect_exact(c.dy, dual_gradient(y0, loss));  // y += passes dy through
  }
}

TEST(Linear, ForwardIsTheProduct) {
  Block<double> x(1, 2), w(1, 2), b(1, 1), y(1, 1);
  x(0, 0) = 2, x(0, 1) = 3, w(0, 0) = 5, w(0, 1) = 7, b(0, 0) = 11;
  scalar::linear_forward<double, double, double>(x, w, b, y, 0.5, false, 0, 1);
  EXPECT_EQ(y(0, 0), 0.5 * 31 + 11);
}

/// One problem through the public op, every operand of the given dtypes.
struct LinearOp {
  LinearOp(Sizes s, Dtype activation, Dtype weight)
      : x(s.n, s.k, activation, 1),
        w(s.m, s.k, weight, 2),
        b(1, s.m, Dtype::kF32, 3),
        y(s.n, s.m, activation, 4),
        dy(s.n, s.m, activation, 5),
        dx(s.n, s.k, activation, 6),
        dw(s.m, s.k, Dtype::kF32, 7),
        db(1, s.m, Dtype::kF32, 8) {}
  LinearForward forward() const { return {.x = x, .w = w, .b = b, .y = y, .scale = 1.75f}; }
  LinearBackward backward() const {
    return {.x = x, .w = w, .dy = dy, .dx = dx, .dw = dw, .db = db, .scale = 1.75f};
  }
  TestView x, w, b, y, dy, dx, dw, db;
};

TEST(Linear, OpAgreesWithDouble) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16})
    for (const Sizes s : kSizes) {
      if (s.n == 0) continue;
      const LinearOp c(s, dtype, dtype);
      const double scale = 1.75;
      const Block<double> x = c.x.values(), w = c.w.values(), dy = c.dy.values();
      Block<double> y(s.n, s.m), dx(s.n, s.k), dw = c.dw.values(), db = c.db.values();
      const double dw_start = max_abs(dw), db_start = max_abs(db);
      scalar::linear_forward<double, double, double>(x, w, c.b.values(), y, scale, false, 0, s.n);
      scalar::linear_backward_x<double, double>(dy, w, dx, scale, false, 0, s.n);
      scalar::linear_backward_w<double>(x, dy, dw, scale, 0, s.m);
      scalar::linear_backward_b<double>(dy, db, 0, s.m);
      OpRun r;
      linear_forward(r.run, c.forward());
      linear_backward(r.run, c.backward());
      // |x_n . W_m| is at most the product of the norms.
      const double xn = row_norm(x), wn = row_norm(w), most_dy = max_abs(dy);
      expect_agrees(c.y, y, s.k + 2, scale * xn * wn + max_abs(c.b.values()));
      expect_agrees(c.dx, dx, s.m + 2, scale * s.m * most_dy * max_abs(w));
      expect_agrees(c.dw, dw, s.n + 2, scale * s.n * most_dy * max_abs(x) + dw_start);
      expect_agrees(c.db, db, s.n + 1, s.n * most_dy + db_start);
    }
}

TEST(Linear, GradientsAdd) {
  const LinearOp c({3, 5, 7}, Dtype::kF32, Dtype::kF32), zero({3, 5, 7}, Dtype::kF32, Dtype::kF32);
  const Block<double> dw_before = c.dw.values(), db_before = c.db.values();
  OpRun r;
  set_zero(r.run, zero.dw);
  set_zero(r.run, zero.db);
  linear_backward(r.run, zero.backward());
  linear_backward(r.run, c.backward());
  const double size = max_abs(zero.dw.values()) + max_abs(dw_before);
  expect_agrees(c.dw, zero.dw.values() + dw_before, 8, size);
  expect_agrees(c.db, zero.db.values() + db_before, 8, size);
}

TEST(Linear, ActivationGradientOverwritesUnlessAddDx) {
  const LinearOp c({3, 5, 7}, Dtype::kF32, Dtype::kF32);
  const Block<double> before = c.dx.values();
  OpRun r;
  linear_backward(r.run, {.w = c.w, .dy = c.dy, .dx = c.dx});
  const Block<double> overwritten = c.dx.values();
  linear_backward(r.run, {.w = c.w, .dy = c.dy, .dx = c.dx, .add_dx = true});
  expect_agrees(c.dx, overwritten + overwritten, 16, 7 * max_abs(c.dy.values()));
  EXPECT_FALSE(same_values(before, overwritten));
}

TEST(Linear, ForwardAddsWhereAsked) {
  const LinearOp c({3, 5, 7}, Dtype::kF32, Dtype::kF32);
  OpRun r;
  linear_forward(r.run, c.forward());
  const Block<double> once = c.y.values();
  LinearForward again = c.forward();
  again.add = true;
  linear_forward(r.run, again);
  expect_agrees(c.y, once + once, 4, 2 * max_abs(once));
}

TEST(Linear, EmptyOutputIsNotComputed) {
  OpRun r;
  for (int absent = 0; absent < 3; ++absent) {
    const LinearOp whole({3, 5, 7}, Dtype::kF32, Dtype::kF32),
        part({3, 5, 7}, Dtype::kF32, Dtype::kF32);
    LinearBackward args = part.backward();
    *(absent == 0 ? &args.dx : absent == 1 ? &args.dw : &args.db) = View{};
    if (absent == 1) args.x = View{};  // only dw needs what forward kept
    linear_backward(r.run, whole.backward());
    linear_backward(r.run, args);
    const TestView* got[] = {&part.dx, &part.dw, &part.db};
    const TestView* want[] = {&whole.dx, &whole.dw, &whole.db};
    const LinearOp untouched({3, 5, 7}, Dtype::kF32, Dtype::kF32);
    want[absent] = absent == 0 ? &untouched.dx : absent == 1 ? &untouched.dw : &untouched.db;
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(same_values(got[i]->values(), want[i]->values()));
  }
}

TEST(Linear, Bf16ProductNarrowsAnF32Weight) {
  const Sizes s{3, 5, 7};
  const LinearOp wide(s, Dtype::kBF16, Dtype::kF32);
  const TestView narrow(wide.w.values(), Dtype::kBF16);
  const LinearOp other(s, Dtype::kBF16, Dtype::kF32);
  OpRun r;
  linear_forward(r.run, wide.forward());
  linear_forward(r.run, {.x = other.x, .w = narrow, .b = other.b, .y = other.y, .scale = 1.75f});
  EXPECT_TRUE(same_values(wide.y.values(), other.y.values()));
  linear_backward(r.run, wide.backward());
  LinearBackward args = other.backward();
  args.w = narrow;
  linear_backward(r.run, args);
  EXPECT_TRUE(same_values(wide.dx.values(), other.dx.values()));
  EXPECT_TRUE(same_values(wide.dw.values(), other.dw.values()));
  EXPECT_EQ(r.scratch.mark(), 0u);
}

TEST(Linear, Bf16ProductIntoF32IsNotRounded) {
  const LinearOp c({3, 5, 7}, Dtype::kBF16, Dtype::kBF16);
  const TestView y(3, 7, Dtype::kF32);
  OpRun r;
  linear_forward(r.run, {.x = c.x, .w = c.w, .y = y});
  Block<double> want(3, 7);
  scalar::linear_forward<double, double, double>(c.x.values(), c.w.values(), {}, want, 1, false, 0,
                                                 3);
  expect_agrees(y, want, 7, row_norm(c.x.values()) * row_norm(c.w.values()));
}

TEST(Linear, DryRunMeasuresTheNarrowedWeightAndTouchesNothing) {
  const LinearOp c({3, 50, 70}, Dtype::kBF16, Dtype::kF32);
  const Block<double> y = c.y.values(), dx = c.dx.values(), dw = c.dw.values();
  DryRun dry;
  linear_forward(dry.run, c.forward());
  EXPECT_TRUE(same_values(c.y.values(), y));
  linear_backward(dry.run, c.backward());
  EXPECT_TRUE(same_values(c.dx.values(), dx));
  EXPECT_TRUE(same_values(c.dw.values(), dw));
  OpRun real(scalar_kernels(), dry.scratch.high_water());
  linear_forward(real.run, c.forward());
  linear_backward(real.run, c.backward());
  EXPECT_GE(dry.scratch.high_water(), size_t{50 * 70 * 2});
  EXPECT_EQ(real.scratch.high_water(), dry.scratch.high_water());
  EXPECT_EQ(dry.scratch.mark(), 0u);
}

TEST(Linear, FrozenInputNarrowsNothing) {
  const LinearOp c({3, 5, 7}, Dtype::kBF16, Dtype::kF32);
  DryRun dry;
  LinearBackward args = c.backward();
  args.dx = View{};
  linear_backward(dry.run, args);
  EXPECT_EQ(dry.scratch.high_water(), 0u);
}

TEST(Linear, ShapesAreChecked) {
  const LinearOp c({3, 5, 7}, Dtype::kF32, Dtype::kF32);
  const TestView other(4, 6), half(3, 5, Dtype::kBF16);
  OpRun r;
  for (View LinearForward::*field :
       {&LinearForward::x, &LinearForward::w, &LinearForward::b, &LinearForward::y}) {
    LinearForward args = c.forward();
    args.*field = other;
    EXPECT_THROW(linear_forward(r.run, args), InternalError);
  }
  for (View LinearBackward::*field :
       {&LinearBackward::x, &LinearBackward::w, &LinearBackward::dy, &LinearBackward::dx,
        &LinearBackward::dw, &LinearBackward::db}) {
    LinearBackward args = c.backward();
    args.*field = other;
    EXPECT_THROW(linear_backward(r.run, args), InternalError);
  }
  LinearBackward unkept = c.backward();
  unkept.x = View{};
  EXPECT_THROW(linear_backward(r.run, unkept), InternalError);
  LinearBackward mixed = c.backward();
  mixed.dx = half;
  EXPECT_THROW(linear_backward(r.run, mixed), InternalError);
}

}  // namespace
}  // namespace falconer::test
