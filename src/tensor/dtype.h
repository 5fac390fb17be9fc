// Number formats of tensors, and bf16 / f16 as C++ types.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "base/error.h"

namespace falconer {

/// Behind kBool: numbers in blocks, codes of a few bits that share scales (tensor/blocks/format.h). A tensor's rows are
/// whole blocks.
enum class Dtype : uint8_t {
  kF32,
  kBF16,
  kF16,
  kF64,
  kI64,
  kI32,
  kI16,
  kI8,
  kU8,
  kBool,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS,
  kMXFP4,
  kNVFP4,
  kNF4,
  kFP4,
  kInt8,
  kTQ1_0,
  kTQ2_0,
  kIQ1_S,
  kIQ1_M,
  kIQ2_XXS,
  kIQ2_XS,
  kIQ2_S,
  kIQ3_XXS,
  kIQ3_S,
};

/// `block` elements take `bytes`.
struct DtypeTraits {
  std::string_view name;
  int64_t block = 1, bytes = 0;
};

inline constexpr DtypeTraits kDtypeTraits[] = {
    {"f32", 1, 4},       {"bf16", 1, 2},       {"f16", 1, 2},        {"f64", 1, 8},
    {"i64", 1, 8},       {"i32", 1, 4},        {"i16", 1, 2},        {"i8", 1, 1},
    {"u8", 1, 1},        {"bool", 1, 1},       {"q8_0", 32, 34},     {"q4_0", 32, 18},
    {"q4_1", 32, 20},    {"q5_0", 32, 22},     {"q5_1", 32, 24},     {"q2_k", 256, 84},
    {"q3_k", 256, 110},  {"q4_k", 256, 144},   {"q5_k", 256, 176},   {"q6_k", 256, 210},
    {"iq4_nl", 32, 18},  {"iq4_xs", 256, 136}, {"mxfp4", 32, 17},    {"nvfp4", 64, 36},
    {"nf4", 64, 36},     {"fp4", 64, 36},      {"int8", 64, 68},     {"tq1_0", 256, 54},
    {"tq2_0", 256, 66},  {"iq1_s", 256, 50},   {"iq1_m", 256, 56},   {"iq2_xxs", 256, 66},
    {"iq2_xs", 256, 74}, {"iq2_s", 256, 82},   {"iq3_xxs", 256, 98}, {"iq3_s", 256, 110},
};
inline constexpr size_t kDtypeCount = std::size(kDtypeTraits);
static_assert(kDtypeCount == static_cast<size_t>(Dtype::kIQ3_S) + 1);

constexpr const DtypeTraits& traits_of(Dtype dtype) {
  return kDtypeTraits[static_cast<size_t>(dtype)];
}

/// "f32", "bf16", "q4_k", ...
constexpr std::string_view name_of(Dtype dtype) { return traits_of(dtype).name; }

/// Numbers that stand alone, and that weights are stored as.
constexpr bool is_float(Dtype dtype) {
  return dtype == Dtype::kF32 || dtype == Dtype::kBF16 || dtype == Dtype::kF16 ||
         dtype == Dtype::kF64;
}

constexpr bool is_blocks(Dtype dtype) { return dtype > Dtype::kBool; }

/// Elements that lie together: 1 for all but blocks.
constexpr int64_t block_of(Dtype dtype) { return traits_of(dtype).block; }

/// Bytes of so many elements that lie one behind the other: whole blocks.
constexpr size_t bytes_of(Dtype dtype, int64_t elements) {
  const DtypeTraits& traits = traits_of(dtype);
  return static_cast<size_t>((is_blocks(dtype) ? elements / traits.block : elements) *
                             traits.bytes);
}

/// Bytes of one element. Of blocks there is no such thing: bytes_of().
constexpr size_t size_of(Dtype dtype) {
  if (is_blocks(dtype)) check_failed("a dtype whose elements stand alone", __FILE__, __LINE__);
  return static_cast<size_t>(traits_of(dtype).bytes);
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
