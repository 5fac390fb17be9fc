// The search for a K-quant's block: scales of groups, the scale of scales, and codes, so that the error is small.
#pragma once

#include <cstdint>

namespace falconer {

/// What a K-quant has room for.
struct KShape {
  int64_t group = 32;
  int lowest = 0, most = 15;              // codes of values
  int lowest_scale = 0, most_scale = 63;  // codes of scales, and of minimums from 0
  bool minimums = true;
};

/// value = d * scale * q - e * minimum. `codes` are q less the lowest one.
struct KBlock {
  float d = 0, e = 0;  // f16 holds them
  int scales[16] = {}, minimums[16] = {};
  uint8_t codes[256] = {};
};

/// `values`: 256, with what their squared errors count (null: the same).
KBlock searched_k(const float* values, const float* importance, const KShape& shape);

}  // namespace falconer
