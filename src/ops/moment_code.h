// Moments of an optimizer in 8 bits: 256 numbers share their largest magnitude, and each is one of
// 256 fractions of it. The fractions are those of bitsandbytes (create_dynamic_map; Dettmers et al.,
// "8-bit Optimizers via Block-wise Quantization", 2022): seven decades, each divided twice as finely
// as the one below.
#pragma once

#include <bit>
#include <cstdint>

namespace falconer {

/// Numbers that share a scale.
constexpr int64_t kMomentBlock = 256;
/// Blocks of n numbers, the last of which may be cut.
constexpr int64_t moment_blocks(int64_t n) { return (n + kMomentBlock - 1) / kMomentBlock; }
/// Smaller tensors keep f32: they take no memory to speak of, and norms feel every bit.
constexpr int64_t kSmallestCoded = 4096;

/// Numbers in rising order, what lies between them, and where to look for the nearest.
struct MomentCode {
  // Floats of a sign, an exponent and seven bits, from 2^-24 on: at most one middle lies in each.
  static constexpr int kBuckets = 25 << 7, kFirstBucket = (127 - 24) << 7;

  float value[256] = {};
  float middle[256] = {};        // to the next; behind the last is nothing
  uint8_t start[kBuckets] = {};  // of the smallest number of a bucket
};

/// With signs for the first moment, without for the second, which is never below 0.
constexpr MomentCode make_moment_code(bool with_sign) {
  MomentCode code;
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
  for (int i = 0, nearest = zero; i < MomentCode::kBuckets; ++i) {
    const auto bits = static_cast<uint32_t>(MomentCode::kFirstBucket + i) << 16;
    while (std::bit_cast<float>(bits) > code.middle[nearest]) ++nearest;
    code.start[i] = static_cast<uint8_t>(nearest);
  }
  return code;
}

inline constexpr MomentCode kFirstMomentCode = make_moment_code(true),
                            kSecondMomentCode = make_moment_code(false);

/// The nearest code of x, which lies in [-1, 1], or in [0, 1] where the code has no signs. (A search would guess half of its branches wrong.)
constexpr uint8_t nearest_code(const MomentCode& code, float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const int bucket = static_cast<int>((bits & 0x7fffffffu) >> 16) - MomentCode::kFirstBucket;
  const int last = MomentCode::kBuckets - 1;  // and what is not a number is somewhere
  int nearest = code.start[bucket < 0 ? 0 : bucket > last ? last : bucket];
  const float size = std::bit_cast<float>(bits & 0x7fffffffu);
  nearest += static_cast<int>(size > code.middle[nearest]);
  if ((bits >> 31) == 0) return static_cast<uint8_t>(nearest);
  // The other side mirrors it, but for 1, which has none there.
  return static_cast<uint8_t>(nearest < 255 ? 254 - nearest : 0);
}

/// A second moment above 0 never becomes 0, because its root divides. (bitsandbytes lets it.)
constexpr uint8_t second_moment_code(const MomentCode& code, float x) {
  const uint8_t nearest = nearest_code(code, x);
  return nearest == 0 && x > 0 ? uint8_t{1} : nearest;
}

}  // namespace falconer
