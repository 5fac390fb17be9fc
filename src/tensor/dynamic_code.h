// 256 numbers that a byte stands for: bitsandbytes' (create_dynamic_map; Dettmers et al., "8-bit Optimizers via Block-wise
// Quantization", 2022): seven decades, each divided twice as finely as the one below.
#pragma once

#include <bit>
#include <cstdint>

namespace falconer {

/// Numbers in rising order, what lies between them, and where to look for the nearest.
struct DynamicCode {
  // Floats of a sign, an exponent and seven bits, from 2^-24 on: at most one middle lies in each.
  static constexpr int kBuckets = 25 << 7, kFirstBucket = (127 - 24) << 7;

  float value[256] = {};
  float middle[256] = {};        // to the next; behind the last is nothing
  uint8_t start[kBuckets] = {};  // of the smallest number of a bucket
};

constexpr DynamicCode make_dynamic_code(bool with_sign) {
  DynamicCode code;
  const int decades = 7, zero = with_sign ? 127 : 0;
  int next = zero + 1;
  double decade = 1e-6;
  for (int i = 0; i < decades; ++i, decade *= 10) {
    const int parts = with_sign ? 1 << i : 2 << i;
    for (int k = 0; k < parts; ++k, ++next) {
      const double value = decade * (0.1 + 0.9 * (k + 0.5) / parts);
      code.value[next] = static_cast<float>(value);
      if (with_sign) code.value[2 * zero - next] = static_cast<float>(-value);
    }
  }
  code.value[255] = 1;
  for (int i = 0; i < 255; ++i) code.middle[i] = (code.value[i] + code.value[i + 1]) / 2;
  code.middle[255] = 2;
  for (int i = 0, nearest = zero; i < DynamicCode::kBuckets; ++i) {
    const auto bits = static_cast<uint32_t>(DynamicCode::kFirstBucket + i) << 16;
    while (std::bit_cast<float>(bits) > code.middle[nearest]) ++nearest;
    code.start[i] = static_cast<uint8_t>(nearest);
  }
  return code;
}

/// The nearest code of x, which lies in [-1, 1], or in [0, 1] where the code has no signs. (A search would guess half of its branches wrong.)
constexpr uint8_t nearest_code(const DynamicCode& code, float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const int bucket = static_cast<int>((bits & 0x7fffffffu) >> 16) - DynamicCode::kFirstBucket;
  const int last = DynamicCode::kBuckets - 1;  // and what is not a number is somewhere
  int nearest = code.start[bucket < 0 ? 0 : bucket > last ? last : bucket];
  const float size = std::bit_cast<float>(bits & 0x7fffffffu);
  nearest += static_cast<int>(size > code.middle[nearest]);
  if ((bits >> 31) == 0) return static_cast<uint8_t>(nearest);
  // The other side mirrors it, but for 1, which has none there.
  return static_cast<uint8_t>(nearest < 255 ? 254 - nearest : 0);
}

}  // namespace falconer
