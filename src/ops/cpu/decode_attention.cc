#include "ops/cpu/decode_attention.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/decode_attention.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/contrib/math/math-inl.h>

#include <cmath>
#include <vector>

#include "ops/cpu/tiles.h"
#include "ops/cpu/vector-inl.h"
#include "ops/scalar/attention.h"

#ifndef FALCONER_OPS_CPU_DECODE_ATTENTION_UNIT_
#define FALCONER_OPS_CPU_DECODE_ATTENTION_UNIT_
namespace falconer::cpu {

/// Keys or values that are widened at one time: 64 numbers each, they stay in the first cache.
constexpr int64_t kKeyBlock = 32;

/// Some heads of one group, of one sequence.
struct DecodeUnit {
  const AttentionSpan* span = nullptr;
  int64_t group = 0, first = 0, heads = 0;  // `first` counts over all heads
};

/// Per thread, kept from call to call.
struct DecodeWork {
  std::vector<float> rows, q, scores, out;
};

}  // namespace falconer::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// `size` rounded up to whole vectors.
HWY_INLINE int64_t padded_size(int64_t size) { return (size + lanes() - 1) / lanes() * lanes(); }

HWY_INLINE float* room(std::vector<float>& store, int64_t size) {
  if (static_cast<int64_t>(store.size()) < size) store.resize(static_cast<size_t>(size));
  return store.data();
}

/// One head of rows row .. row+count-1 as f32, each padded with zeros to `padded`.
void widen(const Heads& from, int64_t head, int64_t row, int64_t count, int64_t padded, float* to) {
  with_type(from.rows.dtype, [&]<class A>(Type<A>) {
    const HeadsMat<A> mat = as_heads<A>(from);
    for (int64_t j = 0; j < count; ++j, to += padded) {
      const A* line = mat.head(row + j, head);
      int64_t at = 0;
      for (; at + lanes() <= from.size; at += lanes()) store(load(line + at), to + at);
      if (at < from.size) store(load_some(line + at, from.size - at), to + at);
    }
  });
}

/// Keys first .. first+count-1 of the unit's span, counted in it.
void widen_keys(const AttentionForward& a, const DecodeUnit& unit, const Heads& from, int64_t first,
                int64_t count, int64_t padded, float* to) {
  const AttentionSpan& span = *unit.span;
  while (count > 0) {
    const int64_t n = span.first_page < 0 ? count : std::min(count, kPageRows - first % kPageRows);
    widen(from, unit.group, key_row(span, a.pages.data(), first), n, padded, to);
    first += n;
    count -= n;
    to += n * padded;
  }
}

/// Dot products of one query with R keys: the sums do not wait for one another.
template <int R>
HWY_INLINE void dot_keys(const float* query, const float* keys, int64_t padded, float* scores) {
  const F32 d;
  VecF sums[R];
  for (auto& sum : sums) sum = hn::Zero(d);
  for (int64_t at = 0; at < padded; at += lanes()) {
    const VecF q = load(query + at);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sums[r] = hn::MulAdd(q, load(keys + r * padded + at), sums[r]);
  }
  for (int r = 0; r < R; ++r) scores[r] = hn::GetLane(hn::SumOfLanes(d, sums[r]));
}

/// scores(head, key) = query(head) . key, for `count` widened keys.
void score_block(const DecodeUnit& unit, const float* queries, const float* keys, int64_t count,
                 int64_t padded, float* scores, int64_t stride) {
  constexpr int R = 8;
  for (int64_t h = 0; h < unit.heads; ++h, queries += padded, scores += stride) {
    int64_t j = 0;
    for (; j + R <= count; j += R) dot_keys<R>(queries, keys + j * padded, padded, scores + j);
    for (; j < count; ++j) dot_keys<1>(queries, keys + j * padded, padded, scores + j);
  }
}

/// out (padded) += the sum over `count` values, each times its weight, V vectors at a time.
template <int V>
HWY_INLINE void add_values(const float* weights, const float* values, int64_t count, int64_t padded,
                           float* out) {
  const F32 d;
  VecF sums[V];
  for (int v = 0; v < V; ++v) sums[v] = load(out + v * lanes());
  for (int64_t j = 0; j < count; ++j) {
    const VecF weight = hn::Set(d, weights[j]);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v)
      sums[v] = hn::MulAdd(weight, load(values + j * padded + v * lanes()), sums[v]);
  }
  for (int v = 0; v < V; ++v) store(sums[v], out + v * lanes());
}

void value_block(const DecodeUnit& unit, const float* weights, int64_t stride, const float* values,
                 int64_t count, int64_t padded, float* out) {
  constexpr int V = 8;
  for (int64_t h = 0; h < unit.heads; ++h, weights += stride, out += padded) {
    int64_t at = 0;
    for (; at + V * lanes() <= padded; at += V * lanes())
      add_values<V>(weights, values + at, count, padded, out + at);
    for (; at < padded; at += lanes()) add_values<1>(weights, values + at, count, padded, out + at);
  }
}

/// Scores become exp(s - most) and their sum is returned, with `most`, for the log-sum-exp.
HWY_INLINE std::pair<float, float> exp_scores(float* s, int64_t n) {
  const F32 d;
  VecF largest = hn::Set(d, s[0]);
  int64_t whole = 0;
  for (; whole + lanes() <= n; whole += lanes()) largest = hn::Max(largest, load(s + whole));
  float most = hn::GetLane(hn::MaxOfLanes(d, largest));
  for (; whole < n; ++whole) most = std::max(most, s[whole]);
  const VecF minus = hn::Set(d, most);
  const float total = sum_of(n, [&](int64_t at, auto access) {
    VecF e = hn::Exp(d, hn::Sub(access(s, at), minus));
    if constexpr (std::is_same_v<decltype(access), Tail>)
      e = hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(access.count)), e);
    access.put(e, s, at);
    return e;
  });
  return {most, total};
}

HWY_NOINLINE void cap_line(float* s, float cap, int64_t n) {
  const F32 d;
  const VecF c = hn::Set(d, cap);
  for_vectors(n, [&](int64_t at, auto access) {
    access.put(hn::Mul(c, hn::Tanh(d, hn::Div(access(s, at), c))), s, at);
  });
}

/// Head h of the unit: its line of `out` over its total, to where it belongs.
void put_head(const AttentionForward& a, const DecodeUnit& unit, int64_t h, const float* line,
              float factor) {
  const VecF f = hn::Set(F32(), factor);
  with_type(a.out.dtype, [&]<class A>(Type<A>) {
    A* to = a.out.row<A>(unit.span->q_begin) + (unit.first + h) * a.q.size;
    for_vectors(a.q.size,
                [&](int64_t at, auto access) { access.put(hn::Mul(access(line, at), f), to, at); });
  });
}

void decode_unit(const AttentionForward& a, const DecodeUnit& unit, DecodeWork& work) {
  const int64_t size = a.q.size, padded = padded_size(size);
  const SeenKeys keys = seen_keys(*unit.span, 0, a.window);
  const int64_t seen = keys.end - keys.first;
  float* rows = room(work.rows, kKeyBlock * padded);
  float* queries = room(work.q, unit.heads * padded);
  float* scores = room(work.scores, unit.heads * seen);
  float* out = room(work.out, unit.heads * padded);
  std::fill_n(out, unit.heads * padded, 0.0f);
  for (int64_t h = 0; h < unit.heads; ++h)
    widen(a.q, unit.first + h, unit.span->q_begin, 1, padded, queries + h * padded);
  for (int64_t i = 0; i < unit.heads * padded; ++i) queries[i] *= a.scale;
  for (int64_t j = 0; j < seen; j += kKeyBlock) {
    const int64_t count = std::min(kKeyBlock, seen - j);
    widen_keys(a, unit, a.k, keys.first + j, count, padded, rows);
    score_block(unit, queries, rows, count, padded, scores + j, seen);
  }
  std::vector<float> totals(static_cast<size_t>(unit.heads));
  for (int64_t h = 0; h < unit.heads; ++h) {
    float* line = scores + h * seen;
    if (a.alibi)
      for (int64_t j = 0; j < seen; ++j)
        line[j] +=
            a.scale * scalar::alibi_bias(a.alibi.row<float>(0)[unit.first + h], keys.first + j);
    if (a.cap > 0) cap_line(line, a.cap, seen);
    const auto [most, total] = exp_scores(line, seen);
    totals[static_cast<size_t>(h)] = total;
    if (a.lse) a.lse.row<float>(unit.span->q_begin)[unit.first + h] = most + std::log(total);
  }
  for (int64_t j = 0; j < seen; j += kKeyBlock) {
    const int64_t count = std::min(kKeyBlock, seen - j);
    widen_keys(a, unit, a.v, keys.first + j, count, padded, rows);
    value_block(unit, scores + j, seen, rows, count, padded, out);
  }
  for (int64_t h = 0; h < unit.heads; ++h)
    put_head(a, unit, h, out + h * padded, 1 / totals[static_cast<size_t>(h)]);
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "base/threads.h"

namespace falconer::cpu {
namespace {

HWY_EXPORT(decode_unit);

/// Heads of a unit: few, so that several threads find work in one sequence; more than one, so that
/// what was widened is used again.
constexpr int64_t kUnitHeads = 6;

}  // namespace

void decode_attention(const AttentionForward& args) {
  std::vector<DecodeUnit> units;
  const int64_t per_group = args.q.per_group;
  for (const AttentionSpan& span : args.spans)
    for (int64_t group = 0; span.q_count == 1 && group < args.q.groups; ++group)
      for (int64_t head = 0; head < per_group; head += kUnitHeads)
        units.push_back(
            {&span, group, group * per_group + head, std::min(kUnitHeads, per_group - head)});
  parallel_for(static_cast<int64_t>(units.size()), 1, [&](int64_t begin, int64_t end) {
    thread_local DecodeWork work;
    for (int64_t i = begin; i < end; ++i)
      HWY_DYNAMIC_DISPATCH(decode_unit)(args, units[static_cast<size_t>(i)], work);
  });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
