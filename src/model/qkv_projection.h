// From a normed input to queries, keys and values: one product, or three beside each other.
#pragma once

#include <vector>

#include "model/site.h"

namespace falconer {

/// Where queries, keys and values lie in a row of (H + 2G) D columns: for each group its queries, its key
/// and its value, or all queries, all keys and all values.
struct QkvLayout {
  int64_t groups = 0, per_group = 0, size = 0;
  bool by_group = true;
  float scale = 1;  // of q . k
  float cap = 0;    // of the scores; 0: none

  Heads q(const View& rows) const { return part(rows, 0, per_group); }
  Heads k(const View& rows) const { return part(rows, per_group, 1); }
  Heads v(const View& rows) const { return part(rows, per_group + 1, 1); }
  int64_t heads() const { return groups * per_group; }

 private:
  // `first`: the head within a group's, where each has `count`.
  Heads part(const View& rows, int64_t first, int64_t count) const {
    const int64_t column = (by_group ? first : first * groups) * size;
    const int64_t stride = (by_group ? per_group + 2 : count) * size;
    return {rows.col_range(column, rows.cols - column), groups, count, stride, size};
  }
};

class QkvProjection {
 public:
  QkvProjection(const ModelConfig& config, const Weights& weights, int64_t layer);
  static void declare(const ModelConfig& config, int64_t layer, const ModuleVisitor& visit);

  const QkvLayout& layout() const { return layout_; }
  /// One, or q, k and v.
  std::vector<LinearSite>& sites() { return sites_; }
  const std::vector<LinearSite>& sites() const { return sites_; }
  int64_t in() const { return sites_.front().in(); }
  int64_t out() const;
  bool trainable() const;
  /// The backward reads x: keep it.
  bool needs_x() const;

  /// qkv (N, (H + 2G) D) from x (N,C).
  void forward(Run& run, const View& x, const View& qkv, QkvKept& kept) const;
  /// Gradients of whatever learns, and dx (N,C) where it is not empty (added to it where add_dx). dqkv is
  /// left as it was.
  void backward(Run& run, QkvKept& kept, const View& dqkv, const View& dx,
                bool add_dx = false) const;

 private:
  std::vector<LinearSite> sites_;
  QkvLayout layout_;
};

}  // namespace falconer
