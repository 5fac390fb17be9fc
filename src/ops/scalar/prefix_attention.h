// The readable definition of LLaMA-Adapter's gated attention over a learned prompt.
#pragma once

#include <vector>

#include "ops/scalar/number.h"

namespace falconer::scalar {

/// Probabilities of query row t and head h over all P slots. `slopes` receives the derivative of each score
/// by what it was before the cap.
template <class A>
void prefix_row(HeadsMat<const A> q, HeadsMat<const A> k, int64_t t, int64_t h, Real<A> scale,
                float cap, std::vector<Real<A>>& p, std::vector<Real<A>>* slopes = nullptr) {
  using R = Real<A>;
  const A* query = q.head(t, h);
  p.resize(k.rows.rows);
  if (slopes != nullptr) slopes->assign(p.size(), R(1));
  R most = 0, total = 0;
  for (int64_t j = 0; j < k.rows.rows; ++j) {
    const A* key = k.head(j, h / q.per_group);
    R sum = 0;
    for (int64_t d = 0; d < q.size; ++d) sum += R(query[d]) * R(key[d]);
    p[j] = sum * scale;
    if (cap > 0) {
      const R bounded = tanh(p[j] / R(cap));
      p[j] = R(cap) * bounded;
      if (slopes != nullptr) (*slopes)[j] = R(1) - bounded * bounded;
    }
    if (j == 0 || most < p[j]) most = p[j];
  }
  for (R& x : p) total += x = exp(x - most);
  for (R& x : p) x = x / total;
}

/// Rows of out.
template <class A>
void prefix_attention_forward(HeadsMat<const A> q, HeadsMat<const A> k, HeadsMat<const A> v,
                              Mat<const Real<A>> gate, Mat<A> out, Real<A> scale, int64_t begin,
                              int64_t end, float cap = 0) {
  using R = Real<A>;
  std::vector<R> p;
  for (int64_t t = begin; t < end; ++t)
    for (int64_t h = 0; h < q.groups * q.per_group; ++h) {
      prefix_row<A>(q, k, t, h, scale, cap, p);
      for (int64_t d = 0; d < q.size; ++d) {
        R sum = 0;
        for (size_t j = 0; j < p.size(); ++j)
          sum += p[j] * R(v.head(static_cast<int64_t>(j), h / q.per_group)[d]);
        A& o = out(t, h * q.size + d);
        o = A(R(o) + gate(0, h) * sum);
      }
    }
}

template <class A>
struct PrefixBackwardMats {
  HeadsMat<const A> q, k, v;
  Mat<const Real<A>> gate;
  Mat<const A> dout;
  Mat<Real<A>> delta;
  HeadsMat<A> dq, dk, dv;
  Mat<Real<A>> dgate;
  Real<A> scale;
  float cap = 0;
};

/// One group: all its heads' columns of dq and delta, and its dk, dv and dgate.
template <class A>
void prefix_attention_backward_group(const PrefixBackwardMats<A>& m, int64_t g) {
  using R = Real<A>;
  const int64_t size = m.q.size, slots = m.k.rows.rows;
  std::vector<R> p, slopes, dp(slots), dk(slots * size, R(0)), dv(slots * size, R(0)), dq(size);
  for (int64_t t = 0; t < m.dout.rows; ++t)
    for (int64_t h = g * m.q.per_group; h < (g + 1) * m.q.per_group; ++h) {
      prefix_row<A>(m.q, m.k, t, h, m.scale, m.cap, p, &slopes);
      const A* query = m.q.head(t, h);
      const A* d_out = m.dout.row(t) + h * size;
      const R gate = m.gate(0, h);
      R c = 0;
      for (int64_t j = 0; j < slots; ++j) {
        dp[j] = R(0);
        for (int64_t d = 0; d < size; ++d) dp[j] += R(d_out[d]) * R(m.v.head(j, g)[d]);
        c += p[j] * dp[j];
      }
      if (m.dgate) m.dgate(0, h) += c;
      m.delta(t, h) = m.delta(t, h) - gate * c;
      for (int64_t d = 0; d < size; ++d) dq[d] = R(0);
      for (int64_t j = 0; j < slots; ++j) {
        const R ds = gate * p[j] * (dp[j] - c) * slopes[j] * m.scale;
        for (int64_t d = 0; d < size; ++d) {
          dv[j * size + d] += gate * p[j] * R(d_out[d]);
          dk[j * size + d] += ds * R(query[d]);
          dq[d] += ds * R(m.k.head(j, g)[d]);
        }
      }
      for (int64_t d = 0; d < size; ++d) m.dq.head(t, h)[d] = A(dq[d]);
    }
  for (int64_t j = 0; j < slots; ++j)
    for (int64_t d = 0; d < size; ++d) {
      m.dk.head(j, g)[d] = A(dk[j * size + d]);
      m.dv.head(j, g)[d] = A(dv[j * size + d]);
    }
}

}  // namespace falconer::scalar
