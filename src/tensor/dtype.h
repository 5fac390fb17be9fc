// Number formats of tensors, and bf16 / f16 as C++ types.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace falconer {

enum class Dtype : uint8_t { kF32, kBF16, kF16, kF64, kI64, kI32, kI16, kI8, kU8, kBool };

/// What weights are stored as.
constexpr bool is_float(Dtype dtype) {
  return dtype == Dtype::kF32 || dtype == Dtype::kBF16 || dtype == Dtype::kF16 ||
         dtype == Dtype::kF64;
}

constexpr size_t size_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF64:
    case Dtype::kI64:
      return 8;
    case Dtype::kF32:
    case Dtype::kI32:
      return 4;
    case Dtype::kBF16:
    case Dtype::kF16:
    case Dtype::kI16:
      return 2;
    case Dtype::kI8:
    case Dtype::kU8:
    case Dtype::kBool:
      return 1;
  }
  return 0;
}

/// "f32", "bf16", ...
constexpr std::string_view name_of(Dtype dtype) {
  constexpr std::string_view names[] = {"f32", "bf16", "f16", "f64", "i64",
                                        "i32", "i16",  "i8",  "u8",  "bool"};
  return names[static_cast<size_t>(dtype)];
}

/// bfloat16: the upper half of a float. Conversion from float rounds to nearest even; NaN stays
/// NaN.
struct BF16 {
  uint16_t bits = 0;
  BF16() = default;
  constexpr BF16(float value) {  // NOLINT: implicit on purpose, as for float and double
    const uint32_t u = std::bit_cast<uint32_t>(value);
    bits = (u & 0x7fffffffu) > 0x7f800000u
               ? static_cast<uint16_t>((u >> 16) | 0x40u)
               : static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  constexpr operator float() const {  // NOLINT
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
};

/// x in bf16, rounded stochastically: up with the probability of where x lies between the two neighbours, so that
/// the mean is x and small steps are not lost (Zamirai et al., "Revisiting BFloat16 Training", 2020).
/// `random`: 16 uniform bits.
constexpr BF16 round_stochastic(float x, uint32_t random) {
  const uint32_t u = std::bit_cast<uint32_t>(x);
  if ((u & 0x7f800000u) == 0x7f800000u) return x;  // not finite
  BF16 rounded;
  rounded.bits = static_cast<uint16_t>((u + (random & 0xffffu)) >> 16);
  return rounded;
}

/// IEEE half precision, for reading checkpoints. No arithmetic is done in it.
struct F16 {
  uint16_t bits = 0;
  F16() = default;
  explicit F16(float value);
  explicit operator float() const;
};

template <class T>
constexpr Dtype dtype_of();
template <>
constexpr Dtype dtype_of<float>() {
  return Dtype::kF32;
}
template <>
constexpr Dtype dtype_of<double>() {
  return Dtype::kF64;
}
template <>
constexpr Dtype dtype_of<BF16>() {
  return Dtype::kBF16;
}
template <>
constexpr Dtype dtype_of<F16>() {
  return Dtype::kF16;
}
template <>
constexpr Dtype dtype_of<uint8_t>() {
  return Dtype::kU8;
}
template <>
constexpr Dtype dtype_of<int32_t>() {
  return Dtype::kI32;
}
template <>
constexpr Dtype dtype_of<int64_t>() {
  return Dtype::kI64;
}

}  // namespace falconer
