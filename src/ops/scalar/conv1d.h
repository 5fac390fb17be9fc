// The readable definition of a causal convolution of each channel, then SiLU.
#pragma once

#include <vector>

#include "ops/conv1d.h"
#include "ops/scalar/elementwise.h"

namespace falconer::scalar {

template <class A>
struct Conv1dMats {
  Mat<const A> x;
  Mat<const Real<A>> w, b;
  Mat<A> tails;
  std::span<const StateSpan> spans;

  int64_t taps() const { return w.cols; }
  /// x of row t of a span, which may be one of the taps() - 1 before it.
  A at(const StateSpan& span, int64_t t, int64_t c) const {
    if (t >= 0) return x(span.begin + t, c);
    return span.continues() ? tails(span.slot, (taps() - 1 + t) * x.cols + c) : A(0.0f);
  }
  /// a_tc of ops/conv1d.h.
  Real<A> sum(const StateSpan& span, int64_t t, int64_t c) const {
    Real<A> a = b ? b(0, c) : Real<A>(0);
    for (int64_t k = 0; k < taps(); ++k) a += w(c, k) * Real<A>(at(span, t - taps() + 1 + k, c));
    return a;
  }
};

/// What stands behind the first `rows` rows of a span. Oldest first, so that `slot` may be the span's own.
template <class A>
void write_tail(const Conv1dMats<A>& m, const StateSpan& span, int64_t rows, int64_t slot,
                int64_t c) {
  for (int64_t j = 0; j < m.taps() - 1; ++j)
    m.tails(slot, j * m.x.cols + c) = m.at(span, rows - m.taps() + 1 + j, c);
}

/// Channels begin .. end-1.
template <class A>
void conv1d_forward(const Conv1dMats<A>& m, Mat<A> y, int64_t begin, int64_t end) {
  for (const StateSpan& span : m.spans)
    for (int64_t c = begin; c < end; ++c) {
      for (int64_t t = 0; t < span.count; ++t)
        y(span.begin + t, c) = A(activate(Activation::kSilu, m.sum(span, t, c)));
      if (span.copy_slot >= 0) write_tail(m, span, span.copy_after, span.copy_slot, c);
      if (span.slot >= 0) write_tail(m, span, span.count, span.slot, c);
    }
}

/// Channels begin .. end-1.
template <class A>
void conv1d_backward(const Conv1dMats<A>& m, Mat<const A> dy, Mat<A> dx, Mat<Real<A>> dw,
                     Mat<Real<A>> db, int64_t begin, int64_t end) {
  using R = Real<A>;
  std::vector<R> e;
  for (const StateSpan& span : m.spans)
    for (int64_t c = begin; c < end; ++c) {
      e.assign(static_cast<size_t>(span.count), R(0));
      for (int64_t t = 0; t < span.count; ++t)
        e[t] = R(dy(span.begin + t, c)) * activation_slope(Activation::kSilu, m.sum(span, t, c));
      for (int64_t t = 0; t < span.count; ++t) {
        R sum = 0;
        for (int64_t k = 0; k < m.taps(); ++k) {
          const int64_t later = t + m.taps() - 1 - k;
          if (later < span.count) sum += m.w(c, k) * e[later];
          if (dw) dw(c, k) += e[t] * R(m.at(span, t - m.taps() + 1 + k, c));
        }
        if (dx) dx(span.begin + t, c) = A(sum);
        if (db) db(0, c) += e[t];
      }
    }
}

}  // namespace falconer::scalar
