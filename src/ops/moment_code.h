// Moments of an optimizer in 8 bits: 256 numbers share their largest magnitude, and each is one of
// 256 fractions of it. The fractions are those of bitsandbytes (create_dynamic_map; Dettmers et al.,
// "8-bit Optimizers via Block-wise Quantization", 2022): seven decades, each divided twice as finely
// as the one below.
#pragma once

#include <cstdint>

namespace falconer {

/// Numbers that share a scale.
constexpr int64_t kMomentBlock = 256;
/// Smaller tensors keep f32: they take no memory to speak of, and norms feel every bit.
constexpr int64_t kSmallestCoded = 4096;

/// Numbers in rising order, and the middles between neighbours.
struct MomentCode {
  float value[256] = {}, middle[255] = {};
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
  return code;
}

inline constexpr MomentCode kFirstMomentCode = make_moment_code(true),
                            kSecondMomentCode = make_moment_code(false);

/// The nearest code of x, which lies in [-1, 1].
constexpr uint8_t nearest_code(const float* middle, float x) {
  int code = 0;
  for (int step = 128; step > 0; step /= 2)
    if (x > middle[code + step - 1]) code += step;
  return static_cast<uint8_t>(code);
}

/// A second moment above 0 never becomes 0, because its root divides. (bitsandbytes lets it.)
constexpr uint8_t second_moment_code(const float* middle, float x) {
  const uint8_t code = nearest_code(middle, x);
  return code == 0 && x > 0 ? uint8_t{1} : code;
}

}  // namespace falconer
