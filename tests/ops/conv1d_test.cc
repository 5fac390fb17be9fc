#include "ops/conv1d.h"

#include "ops/scalar/conv1d.h"
#include "support/dual.h"
#include "support/scan_case.h"

namespace falconer::test {
namespace {

struct ConvCase {
  std::vector<int64_t> lengths;
  int64_t channels, taps;
  bool bias = true;
};
const ConvCase kConvs[] = {
    {{5, 0, 3}, 4, 4}, {{1, 2}, 3, 4, false}, {{6}, 1, 1}, {{7}, 2, 2}, {{}, 2, 4}};

TEST(Conv1d, BackwardMatchesDualNumbers) {
  for (const ConvCase& k : kConvs) {
    const std::vector<StateSpan> spans = spans_of(k.lengths);
    const int64_t n = rows_of(spans), c = k.channels;
    const Block<double> xs = random_block(n, c, 1), ws = random_block(c, k.taps, 2),
                        bs = random_block(1, c, 3), dy = random_block(n, c, 4);
    Block<Dual> x = lift(xs), w = lift(ws), b = lift(bs);
    const auto loss = [&] {
      Block<Dual> y(n, c);
      const scalar::Conv1dMats<Dual> mats{x, w, k.bias ? b.cmat() : Mat<const Dual>{}, {}, spans};
      scalar::conv1d_forward<Dual>(mats, y, 0, c);
      return weigh(dy, y);
    };
    Block<double> dx(n, c), dw(c, k.taps), db(1, c);
    const scalar::Conv1dMats<double> mats{
        xs, ws, k.bias ? bs.cmat() : Mat<const double>{}, {}, spans};
    scalar::conv1d_backward<double>(mats, dy, dx, dw, db, 0, c);
    expect_exact(dx, dual_gradient(x, loss));
    expect_exact(dw, dual_gradient(w, loss));
    if (k.bias) expect_exact(db, dual_gradient(b, loss));
  }
}

TEST(Conv1d, LooksBackAlone) {
  Block<double> x(3, 1), w(1, 2), y(3, 1);
  x(0, 0) = 1, x(1, 0) = 2, x(2, 0) = 4;
  w(0, 0) = 10, w(0, 1) = 1;  // of the row before, and of the row itself
  const std::vector<StateSpan> spans = spans_of({3});
  scalar::conv1d_forward<double>({x, w, {}, {}, spans}, y, 0, 1);
  const auto silu = [](double a) { return a / (1 + std::exp(-a)); };
  EXPECT_NEAR(y(0, 0), silu(1), 1e-12);
  EXPECT_NEAR(y(1, 0), silu(12), 1e-12);
  EXPECT_NEAR(y(2, 0), silu(24), 1e-12);
}

struct ConvOp {
  ConvOp(const ConvCase& k, Dtype dtype, int64_t slots = 0)
      : spans(spans_of(k.lengths, 1)),
        bias(k.bias),
        x(rows_of(spans), k.channels, dtype, 1),
        w(k.channels, k.taps, Dtype::kF32, 2),
        b(1, k.channels, Dtype::kF32, 3),
        y(rows_of(spans), k.channels, dtype, 4),
        tails(slots, (k.taps - 1) * k.channels, dtype, 5),
        dy(rows_of(spans), k.channels, dtype, 6),
        dx(rows_of(spans), k.channels, dtype, 7),
        dw(k.channels, k.taps, Dtype::kF32, 8),
        db(1, k.channels, Dtype::kF32, 9) {}
  Conv1dForward forward() const {
    return {.x = x,
            .w = w,
            .b = bias ? b.view() : View{},
            .y = y,
            .tails = tails.view().rows > 0 ? tails.view() : View{},
            .spans = spans};
  }
  Conv1dBackward backward() const {
    return {.x = x,
            .w = w,
            .b = bias ? b.view() : View{},
            .dy = dy,
            .dx = dx,
            .dw = dw,
            .db = bias ? db.view() : View{},
            .spans = spans};
  }
  std::vector<StateSpan> spans;
  bool bias;
  TestView x, w, b, y, tails, dy, dx, dw, db;
};

TEST(Conv1d, OpAgreesWithDouble) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16})
    for (const ConvCase& k : {ConvCase{{5, 0, 9, 2}, 7, 4}, ConvCase{{3}, 5, 3, false}}) {
      const ConvOp op(k, dtype);
      const Block<double> x = op.x.values(), w = op.w.values(), b = op.b.values(),
                          dy = op.dy.values();
      Block<double> y = op.y.values(), dx = op.dx.values(), dw = op.dw.values(),
                    db = op.db.values();
      const scalar::Conv1dMats<double> mats{
          x, w, k.bias ? b.cmat() : Mat<const double>{}, {}, op.spans};
      scalar::conv1d_forward<double>(mats, y, 0, k.channels);
      Block<double> sum(1, k.channels);
      scalar::conv1d_backward<double>(mats, dy, dx, dw, k.bias ? db.mat() : sum.mat(), 0,
                                      k.channels);
      OpRun r;
      conv1d_forward(r.run, op.forward());
      conv1d_backward(r.run, op.backward());
      const double a = 1 + max_abs(b) + static_cast<double>(k.taps) * max_abs(w) * max_abs(x);
      const double e = max_abs(dy) * (1 + a), rows = static_cast<double>(op.x.view().rows);
      expect_agrees(op.y, y, 20, a);
      expect_agrees(op.dx, dx, 30, e * max_abs(w));
      expect_agrees(op.dw, dw, 30 + rows, e * max_abs(x) * rows);
      expect_agrees(op.db, db, 30 + rows, e * rows);
    }
}

TEST(Conv1d, TailsContinueASequence) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const ConvCase k{{20}, 3, 4};
    const ConvOp whole(k, dtype), parts(k, dtype, 3);
    OpRun r;
    conv1d_forward(r.run, whole.forward());
    const auto part = [&](const StateSpan& span) {
      Conv1dForward args = parts.forward();
      args.spans = {&span, 1};
      conv1d_forward(r.run, args);
    };
    part({.begin = 1, .count = 2, .slot = 1, .copy_after = 1, .copy_slot = 2});
    for (const auto& [begin, count] : {std::pair{2, 1}, {3, 0}, {3, 8}, {11, 1}, {12, 9}})
      part({.begin = 1 + begin, .count = count == 9 ? 8 : count, .slot = 1, .first = false});
    EXPECT_TRUE(same_values(parts.y.values(), whole.y.values()));
    // From what stands behind the first row.
    part({.begin = 2, .count = 19, .slot = 2, .first = false});
    EXPECT_TRUE(same_values(parts.y.values(), whole.y.values()));
    for (int64_t i = 0; i < 9; ++i) {
      EXPECT_EQ(parts.tails.values()(1, i), parts.x.values()(18 + i / 3, i % 3));
      EXPECT_EQ(parts.tails.values()(2, i), parts.tails.values()(1, i));
    }
    // A slot that was another's begins anew, and holds zeros where a sequence is shorter.
    part({.begin = 1, .count = 1, .slot = 1});
    for (int64_t i = 0; i < 9; ++i)
      EXPECT_EQ(parts.tails.values()(1, i), i < 6 ? 0 : parts.x.values()(1, i - 6));
    EXPECT_TRUE(parts.tails.margin_intact());
  }
}

TEST(Conv1d, BackwardSkipsWhatIsFrozen) {
  const ConvCase k{{5, 3}, 3, 4};
  const ConvOp whole(k, Dtype::kF32), before(k, Dtype::kF32);
  OpRun r;
  conv1d_backward(r.run, whole.backward());
  for (View Conv1dBackward::*field :
       {&Conv1dBackward::dx, &Conv1dBackward::dw, &Conv1dBackward::db}) {
    const ConvOp op(k, Dtype::kF32);
    Conv1dBackward args = op.backward();
    args.*field = {};
    conv1d_backward(r.run, args);
    const auto expect = [&](View Conv1dBackward::*of, TestView ConvOp::*view) {
      EXPECT_TRUE(
          same_values((op.*view).values(), ((field == of ? before : whole).*view).values()));
    };
    expect(&Conv1dBackward::dx, &ConvOp::dx);
    expect(&Conv1dBackward::dw, &ConvOp::dw);
    expect(&Conv1dBackward::db, &ConvOp::db);
  }
}

TEST(Conv1d, ShapesAreCheckedAndDryRunTouchesNothing) {
  const ConvCase k{{5, 3}, 3, 4};
  const ConvOp op(k, Dtype::kF32, 2), before(k, Dtype::kF32, 2);
  const TestView other(9, 4), half(9, 3, Dtype::kBF16);
  OpRun r;
  for (View Conv1dForward::*field : {&Conv1dForward::x, &Conv1dForward::w, &Conv1dForward::b,
                                     &Conv1dForward::y, &Conv1dForward::tails}) {
    Conv1dForward args = op.forward();
    args.*field = other;
    EXPECT_THROW(conv1d_forward(r.run, args), InternalError);
  }
  for (View Conv1dBackward::*field :
       {&Conv1dBackward::x, &Conv1dBackward::w, &Conv1dBackward::b, &Conv1dBackward::dy,
        &Conv1dBackward::dx, &Conv1dBackward::dw, &Conv1dBackward::db}) {
    Conv1dBackward args = op.backward();
    args.*field = other;
    EXPECT_THROW(conv1d_backward(r.run, args), InternalError);
  }
  Conv1dForward args = op.forward();
  args.y = half;
  EXPECT_THROW(conv1d_forward(r.run, args), InternalError);
  const StateSpan wrong[] = {{.begin = 4, .count = 7},
                             {.begin = 0, .count = 3, .slot = 2},
                             {.begin = 0, .count = 3, .copy_after = 4, .copy_slot = 1}};
  for (const StateSpan& span : wrong) {
    args = op.forward();
    args.spans = {&span, 1};
    EXPECT_THROW(conv1d_forward(r.run, args), InternalError);
  }
  DryRun dry;
  conv1d_forward(dry.run, op.forward());
  conv1d_backward(dry.run, op.backward());
  EXPECT_TRUE(same_values(op.y.values(), before.y.values()));
  EXPECT_TRUE(same_values(op.tails.values(), before.tails.values()));
  EXPECT_TRUE(same_values(op.dx.values(), before.dx.values()));
  EXPECT_TRUE(same_values(op.dw.values(), before.dw.values()));
  EXPECT_TRUE(same_values(op.db.values(), before.db.values()));
}

}  // namespace
}  // namespace falconer::test
