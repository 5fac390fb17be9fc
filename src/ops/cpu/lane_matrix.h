// A matrix in blocks (tensor/blocks) as integer products read it: 16 rows side by side, so that one vector has the same
// columns of all of them, and their scales another.
//
// A strip is 16 rows, the last one filled up with zeros: 16 factors (f32), then a unit for each 32 columns:
//
//   scales     16 f16, or twice 16 where groups are of 16 columns; times the row's factor
//   minimums   as many, where the format has any
//   codes      4 bits: 4 vectors of 64 bytes; in vector i, row r's bytes 4 r .. 4 r + 3 have columns 4 i .. 4 i + 3 in
//              their low halves, columns 16 + 4 i .. in the high ones
//   fifth, and sixth bits   of 5 or 6: 64 bytes for each; bit j of row r's byte b belongs to column 4 j + b
//   codes      8 bits: 8 vectors, in the order of columns
//
// A code u is what the format says less its lowest one, so that a value is scale (u - offset) - minimum; or, of a
// format with a table, what the table has in steps of 1/127 of its largest value, plus 128.
#pragma once

#include <cstdint>

#include "tensor/view.h"

namespace falconer::cpu {

inline constexpr int64_t kStripRows = 16, kUnitCols = 32;

struct LaneShape {
  int bits = 8;    // of a code: 4, 5, 6 or 8
  int groups = 1;  // scales of a row in a unit: 1 or 2
  bool minimums = false;
  int offset = 0;                // of codes
  const float* table = nullptr;  // of codes of 4 bits

  int64_t unit_bytes() const {
    return (minimums ? 2 : 1) * groups * 32 + 16 * 4 * (bits == 8 ? 8 : bits);
  }
  int64_t strip_bytes(int64_t cols) const {
    return kStripRows * 4 + cols / kUnitCols * unit_bytes();
  }
};

/// The largest magnitude of a format's table of 16 values.
float largest_in_table(const float* table);

/// Of a dtype in blocks.
LaneShape lane_shape(Dtype dtype);

/// Strips begin .. end-1 of w, in blocks, to `strips` (their first byte).
void pack_strips(const View& w, int64_t begin, int64_t end, std::byte* strips);

}  // namespace falconer::cpu
