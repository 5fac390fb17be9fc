// Arguments of a state-space scan for its tests: views with margins, whose times and decays are of the size that models
// have.
#pragma once

#include "ops/scan.h"
#include "support/op_run.h"

namespace falconer::test {

struct ScanShape {
  int64_t heads, size, width, groups;
};

/// Sequences of these lengths, end to end, after `margin` rows that belong to none.
inline std::vector<StateSpan> spans_of(const std::vector<int64_t>& lengths, int64_t margin = 0) {
  std::vector<StateSpan> spans;
  for (const int64_t length : lengths) {
    spans.push_back({.begin = margin, .count = length});
    margin += length;
  }
  return spans;
}
inline int64_t rows_of(const std::vector<StateSpan>& spans) {
  return spans.empty() ? 0 : spans.back().begin + spans.back().count;
}

/// The numbers of a scan's inputs. `dt` of unit variance about -1, so that d lies about 0.3; A from -0.4 to -7.
struct ScanNumbers {
  ScanNumbers(const ScanShape& s, int64_t n)
      : x(random_block(n, s.heads * s.size, 1)),
        dt(map(random_block(n, s.heads, 2), [](double v) { return v - 1; })),
        b(random_block(n, s.groups * s.width, 3)),
        c(random_block(n, s.groups * s.width, 4)),
        a_log(random_block(1, s.heads, 5)),
        d(random_block(1, s.heads, 6)),
        dt_bias(map(random_block(1, s.heads, 7), [](double v) { return v / 2; })),
        dy(random_block(n, s.heads * s.size, 8)) {}
  Block<double> x, dt, b, c, a_log, d, dt_bias, dy;
};

/// The views of both directions. `slots` 0: no states.
struct ScanOp {
  ScanOp(const ScanShape& s, std::vector<StateSpan> all, Dtype dtype, int64_t slots = 0)
      : ScanOp(s, ScanNumbers(s, rows_of(all)), all, dtype, slots) {}
  ScanOp(const ScanShape& s, const ScanNumbers& in, std::vector<StateSpan> all, Dtype dtype,
         int64_t slots = 0)
      : shape(s),
        spans(std::move(all)),
        x(in.x, dtype),
        dt(in.dt, dtype),
        b(in.b, dtype),
        c(in.c, dtype),
        dy(in.dy, dtype),
        a_log(in.a_log),
        d(in.d),
        dt_bias(in.dt_bias),
        y(in.x.rows(), in.x.cols(), dtype, 11),
        dx(in.x.rows(), in.x.cols(), dtype, 12),
        ddt(in.x.rows(), s.heads, dtype, 13),
        db(in.x.rows(), s.groups * s.width, dtype, 14),
        dc(in.x.rows(), s.groups * s.width, dtype, 15),
        da_log(1, s.heads, Dtype::kF32, 16),
        dd(1, s.heads, Dtype::kF32, 17),
        ddt_bias(1, s.heads, Dtype::kF32, 18),
        states(slots, s.heads * s.size * s.width, Dtype::kF32, 19),
        entries(scan_chunks(spans), s.heads * s.size * s.width, Dtype::kF32, 20) {}

  ScanForward forward(bool kept = true) const {
    return {.x = x,
            .dt = dt,
            .b = b,
            .c = c,
            .y = y,
            .a_log = a_log,
            .d = d,
            .dt_bias = dt_bias,
            .states = states.view().rows > 0 ? states.view() : View{},
            .entries = kept ? entries.view() : View{},
            .spans = spans,
            .groups = shape.groups};
  }
  ScanBackward backward() const {
    return {.x = x,
            .dt = dt,
            .b = b,
            .c = c,
            .a_log = a_log,
            .d = d,
            .dt_bias = dt_bias,
            .entries = entries,
            .dy = dy,
            .dx = dx,
            .ddt = ddt,
            .db = db,
            .dc = dc,
            .da_log = da_log,
            .dd = dd,
            .ddt_bias = ddt_bias,
            .spans = spans,
            .groups = shape.groups};
  }
  /// What backward() writes.
  std::vector<const TestView*> gradients() const {
    return {&dx, &ddt, &db, &dc, &da_log, &dd, &ddt_bias};
  }

  ScanShape shape;
  std::vector<StateSpan> spans;
  TestView x, dt, b, c, dy, a_log, d, dt_bias, y, dx, ddt, db, dc, da_log, dd, ddt_bias, states,
      entries;
};

}  // namespace falconer::test
