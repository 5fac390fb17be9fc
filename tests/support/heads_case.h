// Queries, keys and values inside one fused row per token, as Falcon lays them out.
#pragma once

#include "ops/heads.h"

namespace falconer::test {

/// Per group: its queries, one key, one value.
struct HeadsShape {
  int64_t rows, groups, per_group, size;

  int64_t heads() const { return groups * per_group; }
  int64_t width() const { return heads() * size; }
  int64_t stride() const { return (per_group + 2) * size; }
  int64_t fused() const { return groups * stride(); }

  template <class S>
  HeadsMat<S> q(Mat<S> qkv) const {
    return {qkv, groups, per_group, stride(), size};
  }
  template <class S>
  HeadsMat<S> k(Mat<S> qkv) const {
    qkv.data += per_group * size;
    return {qkv, groups, 1, stride(), size};
  }
  template <class S>
  HeadsMat<S> v(Mat<S> qkv) const {
    qkv.data += (per_group + 1) * size;
    return {qkv, groups, 1, stride(), size};
  }
  Heads q(const View& qkv) const { return {qkv, groups, per_group, stride(), size}; }
  Heads k(const View& qkv) const { return at(qkv, per_group * size); }
  Heads v(const View& qkv) const { return at(qkv, (per_group + 1) * size); }

 private:
  Heads at(const View& qkv, int64_t first) const {
    return {qkv.col_range(first, qkv.cols - first), groups, 1, stride(), size};
  }
};

}  // namespace falconer::test
