// Moments of an optimizer in 8 bits: 256 numbers share their largest magnitude, and each is one of
// 256 fractions of it (tensor/dynamic_code.h).
#pragma once

#include <cstdint>

#include "tensor/dynamic_code.h"

namespace falconer {

/// Numbers that share a scale.
constexpr int64_t kMomentBlock = 256;
/// Blocks of n numbers, the last of which may be cut.
constexpr int64_t moment_blocks(int64_t n) { return (n + kMomentBlock - 1) / kMomentBlock; }
/// Smaller tensors keep f32: they take no memory to speak of, and norms feel every bit.
constexpr int64_t kSmallestCoded = 4096;

/// With signs for the first moment, without for the second, which is never below 0.
using MomentCode = DynamicCode;
inline constexpr MomentCode kFirstMomentCode = make_dynamic_code(true),
                            kSecondMomentCode = make_dynamic_code(false);

/// A second moment above 0 never becomes 0, because its root divides. (bitsandbytes lets it.)
constexpr uint8_t second_moment_code(const MomentCode& code, float x) {
  const uint8_t nearest = nearest_code(code, x);
  return nearest == 0 && x > 0 ? uint8_t{1} : nearest;
}

}  // namespace falconer
