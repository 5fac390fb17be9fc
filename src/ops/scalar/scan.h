// The readable definition of the state-space scan: the recurrence, step by step.
#pragma once

#include <algorithm>
#include <vector>

#include "ops/scalar/number.h"
#include "ops/scan.h"

namespace falconer::scalar {

/// 1 / (1 + exp(-z))
template <class R>
R logistic(R z) {
  if (z > R(0)) return R(1) / (R(1) + exp(-z));
  const R e = exp(z);
  return e / (R(1) + e);
}

/// log(1 + exp(z)), which overflows nowhere.
template <class R>
R softplus(R z) {
  return z > R(0) ? z + log1p(exp(-z)) : log1p(exp(z));
}

template <class A>
struct ScanMats {
  Mat<const A> x, dt, b, c;
  Mat<const Real<A>> a_log, d, dt_bias;
  std::span<const StateSpan> spans;
  int64_t groups;

  int64_t heads() const { return dt.cols; }
  int64_t per_group() const { return heads() / groups; }
  int64_t head_size() const { return x.cols / heads(); }
  int64_t state_size() const { return b.cols / groups; }
  /// Numbers of a head's state.
  int64_t numbers() const { return head_size() * state_size(); }
};

/// One head in one row.
template <class A>
struct ScanStep {
  using R = Real<A>;
  const A *x, *b, *c;
  R z, delta, a, keep;  // dt + bias, softplus(z), A_h, f_t

  ScanStep(const ScanMats<A>& m, int64_t row, int64_t h) {
    const int64_t g = h / m.per_group();
    x = m.x.row(row) + h * m.head_size();
    b = m.b.row(row) + g * m.state_size();
    c = m.c.row(row) + g * m.state_size();
    z = R(m.dt(row, h)) + m.dt_bias(0, h);
    delta = softplus(z);
    a = -exp(m.a_log(0, h));
    keep = exp(delta * a);
  }
  /// What one number of the state is behind this row.
  R next(R state, int64_t p, int64_t s) const { return keep * state + delta * R(x[p]) * R(b[s]); }
};

/// Heads begin .. end-1 of y, states and entries.
template <class A>
void scan_forward(const ScanMats<A>& m, Mat<A> y, Mat<Real<A>> states, Mat<Real<A>> entries,
                  int64_t begin, int64_t end) {
  using R = Real<A>;
  const int64_t size = m.head_size(), width = m.state_size(), numbers = m.numbers();
  std::vector<R> state;
  int64_t chunk = 0;
  for (const StateSpan& span : m.spans) {
    for (int64_t h = begin; h < end; ++h) {
      const auto keep_in = [&](Mat<R> to, int64_t row) {
        std::copy(state.begin(), state.end(), to.row(row) + h * numbers);
      };
      state.assign(static_cast<size_t>(numbers), R(0));
      if (span.continues())
        std::copy_n(states.row(span.slot) + h * numbers, numbers, state.begin());
      for (int64_t t = 0; t < span.count; ++t) {
        if (span.copy_slot >= 0 && t == span.copy_after) keep_in(states, span.copy_slot);
        if (entries && t % kScanChunk == 0) keep_in(entries, chunk + t / kScanChunk);
        const ScanStep<A> step(m, span.begin + t, h);
        for (int64_t p = 0; p < size; ++p) {
          R sum = m.d(0, h) * R(step.x[p]);
          for (int64_t s = 0; s < width; ++s) {
            R& number = state[s * size + p];
            number = step.next(number, p, s);
            sum += number * R(step.c[s]);
          }
          if (y) y(span.begin + t, h * size + p) = A(sum);
        }
      }
      if (span.copy_slot >= 0 && span.copy_after == span.count) keep_in(states, span.copy_slot);
      if (span.slot >= 0) keep_in(states, span.slot);
    }
    chunk += scan_chunks({&span, 1});
  }
}

template <class A>
struct ScanGradients {
  Mat<const A> dy;
  Mat<A> dx, ddt, db, dc;
  Mat<Real<A>> da_log, dd, ddt_bias;
};

/// One head of one span; adds to db and dc of its group, (count, S) each.
template <class A>
void scan_backward_head(const ScanMats<A>& m, const ScanGradients<A>& to,
                        Mat<const Real<A>> entries, const StateSpan& span, int64_t first_chunk,
                        int64_t h, std::vector<Real<A>>& db, std::vector<Real<A>>& dc) {
  using R = Real<A>;
  const int64_t size = m.head_size(), width = m.state_size(), numbers = m.numbers();
  // states: what enters the chunk, and what stands behind each row of it. gradient: f_(t+1) E_(t+1).
  std::vector<R> states((kScanChunk + 1) * numbers), gradient(numbers, R(0));
  for (int64_t chunk = scan_chunks({&span, 1}) - 1; chunk >= 0; --chunk) {
    const int64_t first = chunk * kScanChunk, end = std::min(first + kScanChunk, span.count);
    std::copy_n(entries.row(first_chunk + chunk) + h * numbers, numbers, states.begin());
    for (int64_t t = first; t < end; ++t) {
      const ScanStep<A> step(m, span.begin + t, h);
      R* before = states.data() + (t - first) * numbers;
      for (int64_t i = 0; i < numbers; ++i)
        before[numbers + i] = step.next(before[i], i % size, i / size);
    }
    for (int64_t t = end - 1; t >= first; --t) {
      const int64_t row = span.begin + t;
      const ScanStep<A> step(m, row, h);
      const A* dy = to.dy.row(row) + h * size;
      const R* before = states.data() + (t - first) * numbers;
      R d_delta = 0, decayed = 0, d_skip = 0;  // x (E B), <E, S_(t-1)>, x dy
      for (int64_t p = 0; p < size; ++p) {
        R sum = 0;
        for (int64_t s = 0; s < width; ++s) {
          const int64_t i = s * size + p;
          const R e = gradient[i] + R(dy[p]) * R(step.c[s]);
          sum += e * R(step.b[s]);
          decayed += e * before[i];
          db[t * width + s] += step.delta * R(step.x[p]) * e;
          dc[t * width + s] += R(dy[p]) * before[numbers + i];
          gradient[i] = step.keep * e;
        }
        if (to.dx) to.dx(row, h * size + p) = A(step.delta * sum + m.d(0, h) * R(dy[p]));
        d_delta += R(step.x[p]) * sum;
        d_skip += R(step.x[p]) * R(dy[p]);
      }
      d_delta += step.a * step.keep * decayed;
      const R d_z = d_delta * logistic(step.z);
      if (to.ddt) to.ddt(row, h) = A(d_z);
      if (to.ddt_bias) to.ddt_bias(0, h) += d_z;
      if (to.da_log) to.da_log(0, h) += step.a * step.delta * step.keep * decayed;
      if (to.dd) to.dd(0, h) += d_skip;
    }
  }
}

/// Groups begin .. end-1: the sums over a group's heads meet in db and dc, which are held in R until they are whole.
template <class A>
void scan_backward(const ScanMats<A>& m, const ScanGradients<A>& to, Mat<const Real<A>> entries,
                   int64_t begin, int64_t end) {
  using R = Real<A>;
  const int64_t width = m.state_size();
  std::vector<R> db, dc;
  int64_t first_chunk = 0;
  for (const StateSpan& span : m.spans) {
    for (int64_t g = begin; g < end; ++g) {
      db.assign(static_cast<size_t>(span.count * width), R(0));
      dc.assign(static_cast<size_t>(span.count * width), R(0));
      for (int64_t h = g * m.per_group(); h < (g + 1) * m.per_group(); ++h)
        scan_backward_head(m, to, entries, span, first_chunk, h, db, dc);
      for (int64_t t = 0; t < span.count; ++t)
        for (int64_t s = 0; s < width; ++s) {
          if (to.db) to.db(span.begin + t, g * width + s) = A(db[t * width + s]);
          if (to.dc) to.dc(span.begin + t, g * width + s) = A(dc[t * width + s]);
        }
    }
    first_chunk += scan_chunks({&span, 1});
  }
}

}  // namespace falconer::scalar
