// Pieces of attention on tiles of f32: rows are queries of one group's heads, columns are keys.
#pragma once

#include <algorithm>
#include <vector>

#include "ops/attention.h"

namespace falconer::cpu {

/// Heads h .. h+heads-1 of rows row .. row+rows-1: as a contiguous matrix, one line for each (row,
/// head), in that order.
struct HeadRange {
  int64_t row = 0, rows = 0, head = 0, heads = 0;
  int64_t lines() const { return rows * heads; }
};

/// out = factor times the heads.
void gather_heads(const Heads& from, const HeadRange& range, float factor, float* out);
/// The heads = (or += where add) in.
void scatter_heads(const float* in, const HeadRange& range, const Heads& to, bool add);

/// A tile of scores: line (i, j) sees the first `seen` + i of its `cols` columns, or of these the last
/// `window` where there is one.
struct ScoreTile {
  float* s = nullptr;
  int64_t rows = 0, heads = 0, cols = 0, seen = 0, window = 0;
  int64_t lines() const { return rows * heads; }
  int64_t seen_by(int64_t line) const { return std::min(cols, seen + line / heads); }
  int64_t hidden_from(int64_t line) const {
    return window == 0 ? 0 : std::max<int64_t>(0, seen + line / heads - window);
  }
};

/// s += bias(head, column), where column < cols.
void add_bias(const ScoreTile& tile, const float* bias);
/// s = cap tanh(s / cap); slopes (as many, or null) = 1 - (s / cap)^2 of the new s.
void cap_scores(const ScoreTile& tile, float cap, float* slopes);
/// Each line becomes its softmax over what it sees, and 0 elsewhere; lse (one a line) may be null.
void softmax(const ScoreTile& tile, float* lse);
/// Each line becomes exp(s - lse) where it sees, and 0 elsewhere.
void exp_minus(const ScoreTile& tile, const float* lse);
/// dp becomes p (dp - delta), delta per line; p is the tile's. Times slopes, where they are not null.
void softmax_gradient(const ScoreTile& tile, const float* delta, float* dp,
                      const float* slopes = nullptr);
/// sums(line) = the dot product of lines of a and b.
void dot_lines(const float* a, const float* b, int64_t lines, int64_t cols, float* sums);
/// Each line of x times factors(line).
void scale_lines(float* x, int64_t lines, int64_t cols, const float* factors);

/// c (m,n) = alpha a (m,k) b (k,n) + beta c, row by row, f32; a and b may be read transposed.
struct Tile {
  const float* data;
  int64_t stride;
  bool transposed = false;
};
void tile_product(int64_t m, int64_t n, int64_t k, float alpha, Tile a, Tile b, float beta,
                  float* c, int64_t c_stride);

/// Keys of a span from `first` on, counted in it.
struct SpanKeys {
  const AttentionSpan& span;
  std::span<const int32_t> pages;  // of the call
  int64_t first = 0;
};

/// Keys or values as f32, one matrix for each group: where they lie if they are f32 and behind each other, else
/// converted.
class FloatHeads {
 public:
  /// Of all rows, counted as they lie.
  explicit FloatHeads(const Heads& heads);
  /// Of a span, counted in it; keys before the first may not be asked for.
  FloatHeads(const Heads& heads, const SpanKeys& keys);
  Tile group(int64_t g, int64_t row) const;

 private:
  void lie_where_they_are(const Heads& heads);
  void convert(const Heads& heads, const SpanKeys& keys);

  std::vector<float> store_;
  const float* data_;
  int64_t stride_, group_step_, first_ = 0;
};

}  // namespace falconer::cpu
