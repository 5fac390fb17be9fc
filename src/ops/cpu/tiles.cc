#include "ops/cpu/tiles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/tiles.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/contrib/math/math-inl.h>

#include <cmath>

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

void gather_range(const Heads& from, const HeadRange& range, float factor, float* out) {
  const VecF f = hn::Set(F32(), factor);
  with_type(from.rows.dtype, [&]<class A>(Type<A>) {
    const HeadsMat<A> mat = as_heads<A>(from);
    for (int64_t i = 0; i < range.rows; ++i)
      for (int64_t j = 0; j < range.heads; ++j, out += from.size) {
        const A* head = mat.head(range.row + i, range.head + j);
        for_vectors(from.size, [&](int64_t at, auto access) {
          access.put(hn::Mul(access(head, at), f), out, at);
        });
      }
  });
}

void scatter_range(const float* in, const HeadRange& range, const Heads& to, bool add) {
  with_type(to.rows.dtype, [&]<class A>(Type<A>) {
    const HeadsMat<A> mat = as_heads<A>(to);
    for (int64_t i = 0; i < range.rows; ++i)
      for (int64_t j = 0; j < range.heads; ++j, in += to.size) {
        A* head = mat.head(range.row + i, range.head + j);
        for_vectors(to.size, [&](int64_t at, auto access) {
          const VecF value = access(in, at);
          access.put(add ? hn::Add(value, access(head, at)) : value, head, at);
        });
      }
  });
}

/// exp(x - minus) in place, and its sum.
HWY_INLINE float exp_line(float* x, float minus, int64_t n) {
  const F32 d;
  const VecF m = hn::Set(d, minus);
  return sum_of(n, [&](int64_t at, auto access) {
    VecF e = hn::Exp(d, hn::Sub(access(x, at), m));
    if constexpr (std::is_same_v<decltype(access), Tail>)
      e = hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(access.count)), e);
    access.put(e, x, at);
    return e;
  });
}

HWY_INLINE float max_line(const float* x, int64_t n) {
  const F32 d;
  VecF most = hn::Set(d, x[0]);
  int64_t at = 0;
  for (; at + lanes() <= n; at += lanes()) most = hn::Max(most, load(x + at));
  float result = hn::GetLane(hn::MaxOfLanes(d, most));
  for (; at < n; ++at) result = std::max(result, x[at]);
  return result;
}

HWY_INLINE void scale_line(float* x, float factor, int64_t n) {
  const VecF f = hn::Set(F32(), factor);
  for_vectors(n, [&](int64_t at, auto access) { access.put(hn::Mul(access(x, at), f), x, at); });
}

void softmax_tile(const ScoreTile& tile, float* lse) {
  float* s = tile.s;
  for (int64_t line = 0; line < tile.lines(); ++line, s += tile.cols) {
    const int64_t end = tile.seen_by(line), first = tile.hidden_from(line), seen = end - first;
    const float most = max_line(s + first, seen), total = exp_line(s + first, most, seen);
    scale_line(s + first, 1 / total, seen);
    std::fill(s, s + first, 0.0f);
    std::fill(s + end, s + tile.cols, 0.0f);
    if (lse != nullptr) lse[line] = most + std::log(total);
  }
}

void exp_minus_tile(const ScoreTile& tile, const float* lse) {
  float* s = tile.s;
  for (int64_t line = 0; line < tile.lines(); ++line, s += tile.cols) {
    const int64_t end = tile.seen_by(line), first = tile.hidden_from(line);
    exp_line(s + first, lse[line], end - first);
    std::fill(s, s + first, 0.0f);
    std::fill(s + end, s + tile.cols, 0.0f);
  }
}

void add_bias_tile(const ScoreTile& tile, const float* bias) {
  float* s = tile.s;
  for (int64_t line = 0; line < tile.lines(); ++line, s += tile.cols) {
    const float* b = bias + line % tile.heads * tile.cols;
    for_vectors(tile.cols, [&](int64_t at, auto access) {
      access.put(hn::Add(access(s, at), access(b, at)), s, at);
    });
  }
}

void cap_scores_tile(const ScoreTile& tile, float cap, float* slopes) {
  const F32 d;
  const VecF c = hn::Set(d, cap), one = hn::Set(d, 1.0f);
  float* s = tile.s;
  for_vectors(tile.lines() * tile.cols, [&](int64_t at, auto access) {
    const VecF t = hn::Tanh(d, hn::Div(access(s, at), c));
    access.put(hn::Mul(c, t), s, at);
    if (slopes != nullptr) access.put(hn::NegMulAdd(t, t, one), slopes, at);
  });
}

void softmax_gradient_tile(const ScoreTile& tile, const float* delta, float* dp,
                           const float* slopes) {
  const float* p = tile.s;
  for (int64_t line = 0; line < tile.lines(); ++line, p += tile.cols, dp += tile.cols) {
    const VecF minus = hn::Set(F32(), delta[line]);
    for_vectors(tile.cols, [&](int64_t at, auto access) {
      access.put(hn::Mul(access(p, at), hn::Sub(access(dp, at), minus)), dp, at);
    });
    if (slopes == nullptr) continue;
    for_vectors(tile.cols, [&](int64_t at, auto access) {
      access.put(hn::Mul(access(dp, at), access(slopes, at)), dp, at);
    });
    slopes += tile.cols;
  }
}

void dot_tile(const float* a, const float* b, int64_t lines, int64_t cols, float* sums) {
  for (int64_t line = 0; line < lines; ++line, a += cols, b += cols)
    sums[line] = sum_of(
        cols, [&](int64_t at, auto access) { return hn::Mul(access(a, at), access(b, at)); });
}

void scale_tile(float* x, int64_t lines, int64_t cols, const float* factors) {
  for (int64_t line = 0; line < lines; ++line) scale_line(x + line * cols, factors[line], cols);
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "base/threads.h"
#include "ops/cpu/onednn.h"

namespace falconer::cpu {

HWY_EXPORT(gather_range);
HWY_EXPORT(scatter_range);
HWY_EXPORT(softmax_tile);
HWY_EXPORT(exp_minus_tile);
HWY_EXPORT(add_bias_tile);
HWY_EXPORT(cap_scores_tile);
HWY_EXPORT(softmax_gradient_tile);
HWY_EXPORT(dot_tile);
HWY_EXPORT(scale_tile);

void gather_heads(const Heads& from, const HeadRange& range, float factor, float* out) {
  HWY_DYNAMIC_DISPATCH(gather_range)(from, range, factor, out);
}
void scatter_heads(const float* in, const HeadRange& range, const Heads& to, bool add) {
  HWY_DYNAMIC_DISPATCH(scatter_range)(in, range, to, add);
}
void softmax(const ScoreTile& tile, float* lse) { HWY_DYNAMIC_DISPATCH(softmax_tile)(tile, lse); }
void exp_minus(const ScoreTile& tile, const float* lse) {
  HWY_DYNAMIC_DISPATCH(exp_minus_tile)(tile, lse);
}
void add_bias(const ScoreTile& tile, const float* bias) {
  HWY_DYNAMIC_DISPATCH(add_bias_tile)(tile, bias);
}
void cap_scores(const ScoreTile& tile, float cap, float* slopes) {
  HWY_DYNAMIC_DISPATCH(cap_scores_tile)(tile, cap, slopes);
}
void softmax_gradient(const ScoreTile& tile, const float* delta, float* dp, const float* slopes) {
  HWY_DYNAMIC_DISPATCH(softmax_gradient_tile)(tile, delta, dp, slopes);
}
void dot_lines(const float* a, const float* b, int64_t lines, int64_t cols, float* sums) {
  HWY_DYNAMIC_DISPATCH(dot_tile)(a, b, lines, cols, sums);
}
void scale_lines(float* x, int64_t lines, int64_t cols, const float* factors) {
  HWY_DYNAMIC_DISPATCH(scale_tile)(x, lines, cols, factors);
}

void tile_product(int64_t m, int64_t n, int64_t k, float alpha, Tile a, Tile b, float beta,
                  float* c, int64_t c_stride) {
  onednn::sgemm(m, n, k, alpha, a, b, beta, c, c_stride);
}

void FloatHeads::lie_where_they_are(const Heads& heads) {
  data_ = heads.rows.row<float>(0);
  stride_ = heads.rows.stride;
  group_step_ = heads.group_stride;
}

FloatHeads::FloatHeads(const Heads& heads) {
  const AttentionSpan all{.kv_count = heads.rows.rows};
  if (heads.rows.dtype == Dtype::kF32)
    lie_where_they_are(heads);
  else
    convert(heads, {all, {}});
}

FloatHeads::FloatHeads(const Heads& heads, const SpanKeys& keys) {
  if (heads.rows.dtype != Dtype::kF32 || keys.span.first_page >= 0) {
    convert(heads, keys);
  } else {
    lie_where_they_are(heads);
    first_ = -keys.span.kv_begin;
  }
}

void FloatHeads::convert(const Heads& heads, const SpanKeys& keys) {
  const AttentionSpan& span = keys.span;
  const int64_t rows = span.kv_count - keys.first;
  first_ = keys.first;
  store_.resize(static_cast<size_t>(rows * heads.groups * heads.size));
  parallel_for(rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t j = keys.first + begin; j < keys.first + end;) {
      // Rows that lie behind each other: of a page, or all.
      const int64_t count = span.first_page < 0
                                ? keys.first + end - j
                                : std::min(keys.first + end - j, kPageRows - j % kPageRows);
      for (int64_t g = 0; g < heads.groups; ++g)
        gather_heads(heads, {key_row(span, keys.pages.data(), j), count, g, 1}, 1,
                     store_.data() + (g * rows + j - first_) * heads.size);
      j += count;
    }
  });
  data_ = store_.data();
  stride_ = heads.size;
  group_step_ = rows * heads.size;
}

Tile FloatHeads::group(int64_t g, int64_t row) const {
  return {data_ + g * group_step_ + (row - first_) * stride_, stride_};
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
