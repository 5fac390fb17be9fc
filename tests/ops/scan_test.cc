#include "ops/scan.h"

#include "ops/scalar/scan.h"
#include "support/dual.h"
#include "support/scan_case.h"

namespace falconer::test {
namespace {

const ScanShape kScanShapes[] = {{2, 3, 4, 1}, {4, 2, 3, 2}, {1, 1, 1, 1}};
const std::vector<int64_t> kScanLengths[] = {{5, 0, 3}, {1}, {}};

template <class A>
scalar::ScanMats<A> mats_of(const Block<A>& x, const Block<A>& dt, const Block<A>& b,
                            const Block<A>& c, const Block<A>& a_log, const Block<A>& d,
                            const Block<A>& dt_bias, const std::vector<StateSpan>& spans,
                            int64_t groups) {
  return {x, dt, b, c, a_log, d, dt_bias, spans, groups};
}
scalar::ScanMats<double> mats_of(const ScanNumbers& in, const std::vector<StateSpan>& spans,
                                 int64_t groups) {
  return mats_of<double>(in.x, in.dt, in.b, in.c, in.a_log, in.d, in.dt_bias, spans, groups);
}

/// What the definition gives in double.
struct ScanWant {
  ScanWant(const ScanShape& s, const ScanNumbers& in, const std::vector<StateSpan>& spans)
      : shape(s),
        in(in),
        spans(spans),
        y(in.x.rows(), in.x.cols()),
        entries(scan_chunks(spans), s.heads * s.size * s.width),
        dx(in.x.rows(), in.x.cols()),
        ddt(in.x.rows(), s.heads),
        db(in.b.rows(), in.b.cols()),
        dc(in.b.rows(), in.b.cols()),
        da_log(1, s.heads),
        dd(1, s.heads),
        ddt_bias(1, s.heads) {}
  void forward() {
    scalar::scan_forward<double>(mats_of(in, spans, shape.groups), y, {}, entries, 0, shape.heads);
  }
  void backward() {
    scalar::scan_backward<double>(mats_of(in, spans, shape.groups),
                                  {in.dy, dx, ddt, db, dc, da_log, dd, ddt_bias}, entries.cmat(), 0,
                                  shape.groups);
  }
  std::vector<const Block<double>*> gradients() const {
    return {&dx, &ddt, &db, &dc, &da_log, &dd, &ddt_bias};
  }

  ScanShape shape;
  ScanNumbers in;
  std::vector<StateSpan> spans;
  Block<double> y, entries, dx, ddt, db, dc, da_log, dd, ddt_bias;
};

void expect_gradients_of_duals(const ScanShape& s, const ScanNumbers& in,
                               const std::vector<StateSpan>& spans) {
  ScanWant found(s, in, spans);
  found.forward();
  found.backward();
  Block<Dual> x = lift(in.x), dt = lift(in.dt), b = lift(in.b), c = lift(in.c),
              a_log = lift(in.a_log), d = lift(in.d), dt_bias = lift(in.dt_bias);
  const auto loss = [&] {
    Block<Dual> y(x.rows(), x.cols());
    const auto mats = mats_of<Dual>(x, dt, b, c, a_log, d, dt_bias, spans, s.groups);
    scalar::scan_forward<Dual>(mats, y, {}, {}, 0, s.heads);
    return weigh(in.dy, y);
  };
  Block<Dual>* const of[] = {&x, &dt, &b, &c, &a_log, &d, &dt_bias};
  const auto want = [&](size_t i) { return dual_gradient(*of[i], loss); };
  EXPECT_LE(relative_error(found.dx, want(0)), 1e-10);
  EXPECT_LE(relative_error(found.ddt, want(1)), 1e-10);
  EXPECT_LE(relative_error(found.db, want(2)), 1e-10);
  EXPECT_LE(relative_error(found.dc, want(3)), 1e-10);
  EXPECT_LE(relative_error(found.da_log, want(4)), 1e-10);
  EXPECT_LE(relative_error(found.dd, want(5)), 1e-10);
  EXPECT_LE(relative_error(found.ddt_bias, want(6)), 1e-10);
}

TEST(Scan, BackwardMatchesDualNumbers) {
  for (const ScanShape& s : kScanShapes)
    for (const auto& lengths : kScanLengths) {
      const std::vector<StateSpan> spans = spans_of(lengths);
      expect_gradients_of_duals(s, ScanNumbers(s, rows_of(spans)), spans);
    }
}

// Chunks in reverse: sequences that end at a chunk, before it and after it.
TEST(Scan, BackwardMatchesDualNumbersOverChunks) {
  for (const int64_t length : {63, 64, 65, 130}) {
    const ScanShape s{2, 1, 2, 1};
    const std::vector<StateSpan> spans = spans_of({length});
    expect_gradients_of_duals(s, ScanNumbers(s, length), spans);
  }
}

// Times far beyond where exp() overflows or is 0, and decays to nothing.
TEST(Scan, BackwardMatchesDualNumbersFarOut) {
  const ScanShape s{4, 2, 3, 2};
  ScanNumbers in(s, 6);
  for (int64_t h = 0; h < 4; ++h) {
    in.dt(0, h) = 800, in.dt(1, h) = -800, in.dt(2, h) = 30, in.dt(3, h) = -30;
    in.a_log(0, h) = h < 2 ? 5 : -5;
  }
  expect_gradients_of_duals(s, in, spans_of({6}));
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const ScanOp op(s, in, spans_of({6}), dtype);
    OpRun r;
    scan_forward(r.run, op.forward());
    scan_backward(r.run, op.backward());
    for (const TestView* out : op.gradients())
      for (int64_t i = 0; i < out->view().rows; ++i)
        for (int64_t j = 0; j < out->view().cols; ++j)
          EXPECT_TRUE(std::isfinite(out->values()(i, j)));
  }
}

// By hand: one number of state, and d = 1 where dt is log(e - 1).
TEST(Scan, IsTheRecurrence) {
  const ScanShape s{1, 1, 1, 1};
  ScanNumbers in(s, 3);
  for (int64_t t = 0; t < 3; ++t) {
    in.x(t, 0) = static_cast<double>(t + 1);
    in.dt(t, 0) = std::log(std::exp(1.0) - 1);
    in.b(t, 0) = 2, in.c(t, 0) = 3;
  }
  in.dt_bias(0, 0) = 0, in.d(0, 0) = 0.5, in.a_log(0, 0) = std::log(std::log(2.0));  // f = 1/2
  ScanWant want(s, in, spans_of({3}));
  want.forward();
  EXPECT_NEAR(want.y(0, 0), 3 * 2 + 0.5, 1e-12);
  EXPECT_NEAR(want.y(1, 0), 3 * (1 + 4) + 1, 1e-12);
  EXPECT_NEAR(want.y(2, 0), 3 * (2.5 + 6) + 1.5, 1e-12);
}

TEST(Scan, OpAgreesWithDouble) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16})
    for (const ScanShape& s : {ScanShape{4, 5, 7, 2}, ScanShape{2, 3, 17, 1}}) {
      const std::vector<StateSpan> spans = spans_of({65, 0, 1, 30}, 2);
      const ScanOp op(s, spans, dtype);
      ScanNumbers in(s, rows_of(spans));
      in.x = op.x.values(), in.dt = op.dt.values(), in.b = op.b.values(), in.c = op.c.values();
      in.a_log = op.a_log.values(), in.d = op.d.values(), in.dt_bias = op.dt_bias.values();
      in.dy = op.dy.values();
      ScanWant want(s, in, spans);
      want.y = op.y.values();  // rows that no sequence has stay as they are
      want.dx = op.dx.values(), want.ddt = op.ddt.values(), want.db = op.db.values(),
      want.dc = op.dc.values();
      want.da_log = op.da_log.values(), want.dd = op.dd.values(),
      want.ddt_bias = op.ddt_bias.values();
      want.forward();
      want.backward();
      OpRun r;
      scan_forward(r.run, op.forward());
      scan_backward(r.run, op.backward());
      expect_agrees(op.y, want.y, 200, max_abs(want.y));
      expect_agrees(op.entries, want.entries, 200, max_abs(want.entries));
      const auto found = op.gradients();
      const auto wanted = want.gradients();
      for (size_t i = 0; i < found.size(); ++i) {
        SCOPED_TRACE(i);
        expect_agrees(*found[i], *wanted[i], 400, max_abs(*wanted[i]));
      }
    }
}

TEST(Scan, BackwardSkipsWhatIsFrozen) {
  const ScanShape s{4, 2, 3, 2};
  View ScanBackward::*const fields[] = {
      &ScanBackward::dx,     &ScanBackward::ddt, &ScanBackward::db,      &ScanBackward::dc,
      &ScanBackward::da_log, &ScanBackward::dd,  &ScanBackward::ddt_bias};
  const ScanOp whole(s, spans_of({7, 3}), Dtype::kF32), before(s, spans_of({7, 3}), Dtype::kF32);
  OpRun r;
  scan_forward(r.run, whole.forward());
  scan_backward(r.run, whole.backward());
  for (size_t i = 0; i < std::size(fields); ++i) {
    const ScanOp op(s, spans_of({7, 3}), Dtype::kF32);
    scan_forward(r.run, op.forward());
    ScanBackward args = op.backward();
    args.*fields[i] = {};
    scan_backward(r.run, args);
    for (size_t j = 0; j < std::size(fields); ++j)
      EXPECT_TRUE(same_values(op.gradients()[j]->values(),
                              (i == j ? before : whole).gradients()[j]->values()))
          << i << " " << j;
  }
}

TEST(Scan, StatesContinueASequence) {
  const ScanShape s{2, 3, 4, 1};
  const ScanNumbers in(s, 200);
  const ScanOp whole(s, in, spans_of({200}), Dtype::kF32);
  OpRun r;
  scan_forward(r.run, whole.forward());
  // In parts, beside a sequence that begins from what another left behind its first 64 rows.
  const ScanOp parts(s, in, {}, Dtype::kF32, 3);
  const auto part = [&](const std::vector<StateSpan>& spans) {
    ScanForward args = parts.forward(false);
    args.spans = spans;
    scan_forward(r.run, args);
  };
  part({{.begin = 0, .count = 128, .slot = 1, .copy_after = 64, .copy_slot = 2}});
  for (int64_t t = 128; t < 200; ++t) part({{.begin = t, .count = 1, .slot = 1, .first = false}});
  EXPECT_TRUE(same_values(parts.y.values(), whole.y.values()));
  const Block<double> of_all = parts.states.values();
  part({{.begin = 64, .count = 136, .slot = 2, .first = false}});
  EXPECT_TRUE(same_values(parts.y.values(), whole.y.values()));
  for (int64_t i = 0; i < of_all.cols(); ++i) EXPECT_EQ(parts.states.values()(2, i), of_all(1, i));
  // A slot that was another's begins anew.
  part({{.begin = 0, .count = 200, .slot = 0}});
  EXPECT_TRUE(same_values(parts.y.values(), whole.y.values()));
  EXPECT_TRUE(parts.states.margin_intact());
}

// For a backward that makes them again.
TEST(Scan, EntriesAloneAreThoseMadeBesideY) {
  const ScanShape s{4, 8, 16, 2};
  for (const Kernels* kernels : {&scalar_kernels(), &cpu_kernels()}) {
    const ScanOp whole(s, spans_of({130, 1, 64}), Dtype::kF32),
        alone(s, spans_of({130, 1, 64}), Dtype::kF32);
    OpRun r;
    r.run.kernels = kernels;
    scan_forward(r.run, whole.forward());
    ScanForward args = alone.forward();
    args.y = {};
    scan_forward(r.run, args);
    EXPECT_TRUE(same_values(alone.entries.values(), whole.entries.values())) << kernels->name;
    args.states = whole.entries;
    const std::vector<StateSpan> kept = {{.begin = 0, .count = 130, .slot = 0},
                                         {.begin = 130, .count = 1},
                                         {.begin = 131, .count = 64}};
    args.spans = kept;
    EXPECT_THROW(scan_forward(r.run, args), InternalError) << "a state is to be kept";
  }
}

TEST(Scan, ShapesAreChecked) {
  const ScanShape s{4, 2, 3, 2};
  const ScanOp op(s, spans_of({7, 3}), Dtype::kF32, 2);
  const TestView other(9, 5), half(10, 8, Dtype::kBF16);
  OpRun r;
  for (View ScanForward::*field :
       {&ScanForward::x, &ScanForward::dt, &ScanForward::b, &ScanForward::c, &ScanForward::y,
        &ScanForward::a_log, &ScanForward::d, &ScanForward::dt_bias, &ScanForward::states,
        &ScanForward::entries}) {
    ScanForward args = op.forward();
    args.*field = other;
    EXPECT_THROW(scan_forward(r.run, args), InternalError);
  }
  for (View ScanBackward::*field :
       {&ScanBackward::x, &ScanBackward::dt, &ScanBackward::b, &ScanBackward::c,
        &ScanBackward::a_log, &ScanBackward::d, &ScanBackward::dt_bias, &ScanBackward::entries,
        &ScanBackward::dy, &ScanBackward::dx, &ScanBackward::ddt, &ScanBackward::db,
        &ScanBackward::dc, &ScanBackward::da_log, &ScanBackward::dd, &ScanBackward::ddt_bias}) {
    ScanBackward args = op.backward();
    args.*field = other;
    EXPECT_THROW(scan_backward(r.run, args), InternalError);
  }
  ScanForward args = op.forward();
  args.y = half;
  EXPECT_THROW(scan_forward(r.run, args), InternalError);
  args = op.forward();
  args.groups = 3;
  EXPECT_THROW(scan_forward(r.run, args), InternalError);
  const StateSpan wrong[] = {{.begin = 4, .count = 7},
                             {.begin = -1, .count = 3},
                             {.begin = 0, .count = 3, .slot = 2},
                             {.begin = 0, .count = 3, .copy_after = 4, .copy_slot = 1},
                             {.begin = 0, .count = 3, .copy_after = 2, .copy_slot = 1}};
  for (const StateSpan& span : wrong) {
    args = op.forward(false);
    args.spans = {&span, 1};
    EXPECT_THROW(scan_forward(r.run, args), InternalError);
  }
  const std::vector<StateSpan> kept = {{.begin = 0, .count = 7, .slot = 0},
                                       {.begin = 7, .count = 3}};
  ScanBackward back = op.backward();
  back.spans = kept;
  EXPECT_THROW(scan_backward(r.run, back), InternalError);
}

TEST(Scan, DryRunTouchesNothing) {
  const ScanShape s{4, 2, 3, 2};
  const ScanOp op(s, spans_of({7, 3}), Dtype::kF32, 2), before(s, spans_of({7, 3}), Dtype::kF32, 2);
  DryRun dry;
  scan_forward(dry.run, op.forward());
  scan_backward(dry.run, op.backward());
  EXPECT_TRUE(same_values(op.y.values(), before.y.values()));
  EXPECT_TRUE(same_values(op.states.values(), before.states.values()));
  EXPECT_TRUE(same_values(op.entries.values(), before.entries.values()));
  for (size_t i = 0; i < op.gradients().size(); ++i)
    EXPECT_TRUE(same_values(op.gradients()[i]->values(), before.gradients()[i]->values()));
}

}  // namespace
}  // namespace falconer::test
