#include "tensor/dtype.h"

#include <cmath>

namespace falconer {

F16::F16(float value) {
  const uint32_t u = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((u >> 16) & 0x8000u);
  const float magnitude = std::fabs(value);
  if (!(magnitude <= 3.4e38f)) {  // infinity or NaN
    bits = static_cast<uint16_t>(sign | (magnitude != magnitude ? 0x7e00u : 0x7c00u));
    return;
  }
  if (magnitude < 0x1p-14f) {  // subnormal: a multiple of 2^-24, rounded to nearest even
    bits = static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(magnitude * 0x1p24f)));
    return;
  }
  uint32_t m = std::bit_cast<uint32_t>(magnitude);
  m += 0xfffu + ((m >> 13) & 1u);  // round to nearest even at bit 13
  const uint32_t half = (m >> 13) - ((127u - 15u) << 10);
  bits = static_cast<uint16_t>(sign | (half > 0x7c00u ? 0x7c00u : half));
}

F16::operator float() const {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu, mantissa = bits & 0x3ffu;
  if (exponent == 0) {
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(value));
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

}  // namespace falconer
