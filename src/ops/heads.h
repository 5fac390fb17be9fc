// Attention heads inside the rows of a fused product.
#pragma once

#include "tensor/view.h"

namespace falconer {

/// Head h = g * per_group + j of row i starts at column g * group_stride + j * size of `rows`,
/// whose address is that of the first head. Covers Falcon's and GPT-NeoX's fused layout (per group:
/// queries, key, value), LLaMA's separate products and a contiguous cache alike.
struct Heads {
  View rows;
  int64_t groups = 0, per_group = 0, group_stride = 0, size = 0;

  int64_t count() const { return groups * per_group; }
  explicit operator bool() const { return static_cast<bool>(rows); }
};

/// Grouped attention: one key and one value head per group, as many rows of each.
inline void check_grouped(const Heads& q, const Heads& k, const Heads& v) {
  FALCONER_CHECK(q.groups == k.groups && q.groups == v.groups);
  FALCONER_CHECK(k.per_group == 1 && v.per_group == 1);
  FALCONER_CHECK(q.size == k.size && q.size == v.size);
  FALCONER_CHECK(k.rows.rows == v.rows.rows);
  FALCONER_CHECK(q.rows.dtype == k.rows.dtype && q.rows.dtype == v.rows.dtype);
}

/// As many rows with as many heads of one size and dtype; they may lie elsewhere.
inline bool same_heads(const Heads& a, const Heads& b) {
  return a.groups == b.groups && a.per_group == b.per_group && a.size == b.size &&
         a.rows.rows == b.rows.rows && a.rows.dtype == b.rows.dtype;
}

/// A gradient has the heads of what it is the gradient of; only its rows may lie elsewhere.
inline void check_gradient(const Heads& x, const Heads& dx) { FALCONER_CHECK(same_heads(x, dx)); }

/// A whole row as one head.
inline Heads one_head(const View& rows) { return {rows, 1, 1, 0, rows.cols}; }

/// Heads with a C++ element type, for kernels.
template <class S>
struct HeadsMat {
  Mat<S> rows;
  int64_t groups = 0, per_group = 0, group_stride = 0, size = 0;

  constexpr S* head(int64_t row, int64_t h) const {
    return rows.row(row) + h / per_group * group_stride + h % per_group * size;
  }
  explicit operator bool() const { return static_cast<bool>(rows); }
};

template <class S>
HeadsMat<S> as_heads(const Heads& heads) {
  return {heads.rows.as<S>(), heads.groups, heads.per_group, heads.group_stride, heads.size};
}

}  // namespace falconer
