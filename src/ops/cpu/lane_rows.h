// Activations as integer products read them (lane_product.h): in 8 bits, in tiles of the rows that go through the
// registers together.
#pragma once

#include <algorithm>
#include <vector>

#include "ops/cpu/lane_matrix.h"

namespace falconer::cpu {

/// Rows of x that go through the registers together, in units of 32 columns, in 8 bits: number n of unit u is at
/// [u * rows + n], and its groups at [(u * groups + g) * rows + n].
struct LaneRows {
  const int8_t* codes;    // 32 bytes each, or 64 where they are in 16 bits
  const float* scales;    // of the unit's codes
  const int32_t* starts;  // of a group: -offset times the sum of its codes
  const float* sums;      // of a group: the scale times the sum of its codes
};

/// Rows of x, rounded, in tiles of `most` of them; the last one has 1, 2, 4 .. of them, filled up with zeros.
class RoundedRows {
 public:
  /// `bytes`: of a row's codes in a unit, 32 or 64. Reads x, which is f32 or bf16, before it returns.
  RoundedRows(const View& x, const LaneShape& shape, int64_t bytes, int64_t most);

  int64_t tiles() const { return (x_.rows + most_ - 1) / most_; }
  int64_t first(int64_t tile) const { return tile * most_; }
  int64_t rows(int64_t tile) const { return std::min(most_, x_.rows - first(tile)); }
  /// What the kernel computes with: a power of two.
  int64_t width(int64_t tile) const {
    int64_t width = 1;
    while (width < rows(tile)) width *= 2;
    return width;
  }
  LaneRows at(int64_t tile) const;

 private:
  void fill(int64_t tile);
  void fill_unit(const float* from, int64_t u, int64_t n, int64_t width, int64_t tile);

  View x_;
  LaneShape shape_;
  int64_t units_, bytes_, most_;
  std::vector<int8_t> codes_;
  std::vector<float> scales_, sums_;
  std::vector<int32_t> starts_;
};

}  // namespace falconer::cpu
