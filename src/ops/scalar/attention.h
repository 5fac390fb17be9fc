// The readable definition of causal attention with grouped keys and values.
#pragma once

#include <span>
#include <vector>

#include "ops/attention.h"
#include "ops/scalar/number.h"

namespace falconer::scalar {

/// slope * position, rounded to bf16 as the reference does even in f32 (position first, then the
/// product).
inline float alibi_bias(float slope, int64_t position) {
  return BF16(slope * static_cast<float>(BF16(static_cast<float>(position))));
}

/// What is asked of scores: see ops/attention.h.
struct ScoreShape {
  int64_t window = 0;
  float cap = 0;
  const int32_t* pages = nullptr;
};

/// Probabilities of query row t (the i-th of its span) over the keys it sees; returns log-sum-exp.
/// `slopes` receives the derivative of each score by what it was before the cap.
template <class A>
Real<A> attention_row(HeadsMat<const A> q, HeadsMat<const A> k, Mat<const float> alibi,
                      const AttentionSpan& span, int64_t i, int64_t h, Real<A> scale,
                      const ScoreShape& shape, std::vector<Real<A>>& p,
                      std::vector<Real<A>>* slopes = nullptr) {
  using R = Real<A>;
  const SeenKeys keys = seen_keys(span, i, shape.window);
  const int64_t seen = keys.end - keys.first, g = h / q.per_group;
  const A* query = q.head(span.q_begin + i, h);
  p.resize(seen);
  if (slopes != nullptr) slopes->assign(seen, R(1));
  for (int64_t j = 0; j < seen; ++j) {
    const A* key = k.head(key_row(span, shape.pages, keys.first + j), g);
    R sum = 0;
    for (int64_t d = 0; d < q.size; ++d) sum += R(query[d]) * R(key[d]);
    if (alibi) sum += R(alibi_bias(alibi(0, h), keys.first + j));
    p[j] = sum * scale;
    if (shape.cap == 0) continue;
    const R t = tanh(p[j] / R(shape.cap));
    p[j] = R(shape.cap) * t;
    if (slopes != nullptr) (*slopes)[j] = R(1) - t * t;
  }
  R most = p[0];
  for (int64_t j = 1; j < seen; ++j)
    if (most < p[j]) most = p[j];
  R total = 0;
  for (R& x : p) total += x = exp(x - most);
  for (R& x : p) x = x / total;
  return most + log(total);
}

/// Heads begin .. end-1 of every row of out and lse.
template <class A>
void attention_forward(HeadsMat<const A> q, HeadsMat<const A> k, HeadsMat<const A> v,
                       Mat<const float> alibi, Mat<A> out, Mat<Real<A>> lse,
                       std::span<const AttentionSpan> spans, Real<A> scale, int64_t begin,
                       int64_t end, const ScoreShape& shape = {}) {
  using R = Real<A>;
  std::vector<R> p;
  for (const AttentionSpan& span : spans)
    for (int64_t i = 0; i < span.q_count; ++i)
      for (int64_t h = begin; h < end; ++h) {
        const int64_t t = span.q_begin + i, g = h / q.per_group;
        const int64_t first = seen_keys(span, i, shape.window).first;
        const R log_sum = attention_row<A>(q, k, alibi, span, i, h, scale, shape, p);
        if (lse) lse(t, h) = log_sum;
        for (int64_t d = 0; d < q.size; ++d) {
          R sum = 0;
          for (size_t j = 0; j < p.size(); ++j)
            sum +=
                p[j] * R(v.head(key_row(span, shape.pages, first + static_cast<int64_t>(j)), g)[d]);
          out(t, h * q.size + d) = A(sum);
        }
      }
}

/// Rows of delta.
template <class A>
void attention_delta(Mat<const A> out, Mat<const A> dout, Mat<Real<A>> delta, int64_t heads,
                     int64_t begin, int64_t end) {
  const int64_t size = out.cols / heads;
  for (int64_t t = begin; t < end; ++t)
    for (int64_t h = 0; h < heads; ++h) {
      Real<A> sum = 0;
      for (int64_t d = h * size; d < (h + 1) * size; ++d)
        sum += Real<A>(out(t, d)) * Real<A>(dout(t, d));
      delta(t, h) = sum;
    }
}

template <class A>
struct AttentionBackwardMats {
  HeadsMat<const A> q, k, v;
  Mat<const float> alibi;
  Mat<const A> dout;
  Mat<const Real<A>> delta;
  HeadsMat<A> dq, dk, dv;
  std::span<const AttentionSpan> spans;
  Real<A> scale;
  bool add_dq;
  ScoreShape shape = {};
};

/// One span and one group: the sums over its heads meet in dk and dv, which are held in R until
/// they are whole.
template <class A>
void attention_backward_group(const AttentionBackwardMats<A>& m, const AttentionSpan& span,
                              int64_t g) {
  using R = Real<A>;
  const int64_t size = m.q.size;
  std::vector<R> p, slopes, dq(size), dk(span.kv_count * size, R(0)),
      dv(span.kv_count * size, R(0));
  for (int64_t i = 0; i < span.q_count; ++i)
    for (int64_t h = g * m.q.per_group; h < (g + 1) * m.q.per_group; ++h) {
      const int64_t t = span.q_begin + i;
      attention_row<A>(m.q, m.k, m.alibi, span, i, h, m.scale, m.shape, p, &slopes);
      const A* query = m.q.head(t, h);
      const A* d_out = m.dout.row(t) + h * size;
      A* d_query = m.dq.head(t, h);
      for (int64_t d = 0; d < size; ++d) dq[d] = m.add_dq ? R(d_query[d]) : R(0);
      const SeenKeys seen = seen_keys(span, i, m.shape.window);
      for (int64_t j = seen.first; j < seen.end; ++j) {
        const R prob = p[j - seen.first];
        const A* key = m.k.head(span.kv_begin + j, g);
        const A* value = m.v.head(span.kv_begin + j, g);
        R dp = 0;
        for (int64_t d = 0; d < size; ++d) dp += R(d_out[d]) * R(value[d]);
        const R ds = prob * (dp - m.delta(t, h)) * slopes[j - seen.first] * m.scale;
        for (int64_t d = 0; d < size; ++d) {
          dv[j * size + d] += prob * R(d_out[d]);
          dk[j * size + d] += ds * R(query[d]);
          dq[d] += ds * R(key[d]);
        }
      }
      for (int64_t d = 0; d < size; ++d) d_query[d] = A(dq[d]);
    }
  for (int64_t j = 0; j < span.kv_count; ++j)
    for (int64_t d = 0; d < size; ++d) {
      m.dk.head(span.kv_begin + j, g)[d] = A(dk[j * size + d]);
      m.dv.head(span.kv_begin + j, g)[d] = A(dv[j * size + d]);
    }
}

/// Rows of the cache.
template <class A>
void cache_store(HeadsMat<const A> from, const int32_t* index, Mat<A> cache, int64_t begin,
                 int64_t end) {
  for (int64_t n = begin; n < end; ++n)
    for (int64_t h = 0; h < from.groups * from.per_group; ++h)
      for (int64_t d = 0; d < from.size; ++d)
        cache(index[n], h * from.size + d) = from.head(n, h)[d];
}

}  // namespace falconer::scalar
