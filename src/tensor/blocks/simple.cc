#include "tensor/blocks/simple.h"

#include <algorithm>
#include <cmath>

#include "tensor/blocks/make_format.h"
#include "tensor/blocks/search.h"

namespace falconer {
namespace {

constexpr int64_t kBlock32 = 32, kHalf32 = 16;

uint32_t fifth_bits(const std::byte* at) {
  uint32_t bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}

/// 32 codes of 4 bits, less `offset`.
void load_nibbles(const std::byte* from, int offset, int8_t* codes) {
  for (int64_t i = 0; i < kHalf32; ++i) {
    const int both = std::to_integer<int>(from[i]);
    codes[i] = static_cast<int8_t>((both & 15) - offset);
    codes[i + kHalf32] = static_cast<int8_t>((both >> 4) - offset);
  }
}

void load_fives(const std::byte* from, uint32_t high, int offset, int8_t* codes) {
  load_nibbles(from, offset, codes);
  for (int64_t i = 0; i < kBlock32; ++i)
    codes[i] = static_cast<int8_t>(codes[i] + static_cast<int>((high >> i & 1u) << 4));
}

struct Q8_0 : PlainCodes<Dtype::kQ8_0, 32, -128, 127> {
  static void load(const std::byte* block, int8_t* codes, float* scale, float*) {
    *scale = half_at(block);
    std::memcpy(codes, block + 2, kBlock32);
  }
};

struct Q4_0 : PlainCodes<Dtype::kQ4_0, 32, -8, 7> {
  static void load(const std::byte* block, int8_t* codes, float* scale, float*) {
    *scale = half_at(block);
    load_nibbles(block + 2, 8, codes);
  }
};

struct Q4_1 : PlainCodes<Dtype::kQ4_1, 32, 0, 15> {
  static constexpr bool kMinimums = true;
  static void load(const std::byte* block, int8_t* codes, float* scale, float* minimum) {
    *scale = half_at(block);
    *minimum = -half_at(block + 2);
    load_nibbles(block + 4, 0, codes);
  }
};

struct Q5_0 : PlainCodes<Dtype::kQ5_0, 32, -16, 15> {
  static void load(const std::byte* block, int8_t* codes, float* scale, float*) {
    *scale = half_at(block);
    load_fives(block + 6, fifth_bits(block + 2), 16, codes);
  }
};

struct Q5_1 : PlainCodes<Dtype::kQ5_1, 32, 0, 31> {
  static constexpr bool kMinimums = true;
  static void load(const std::byte* block, int8_t* codes, float* scale, float* minimum) {
    *scale = half_at(block);
    *minimum = -half_at(block + 2);
    load_fives(block + 8, fifth_bits(block + 4), 0, codes);
  }
};

/// Codes (from 0) of 4 bits, and where there is a place for them their fifth bits.
void store_codes(const uint8_t* codes, std::byte* fifths, std::byte* nibbles) {
  for (int64_t i = 0; i < kHalf32; ++i)
    nibbles[i] = static_cast<std::byte>((codes[i] & 15) | codes[i + kHalf32] << 4);
  if (fifths == nullptr) return;
  uint32_t bits = 0;
  for (int64_t i = 0; i < kBlock32; ++i) bits |= static_cast<uint32_t>(codes[i] >> 4 & 1) << i;
  std::memcpy(fifths, &bits, sizeof bits);
}

float inverse_of(float scale) { return scale == 0 ? 0.0f : 1.0f / scale; }

/// The first of the largest magnitudes, with its sign.
float largest_of(const float* x) {
  float largest = x[0];
  for (int64_t i = 1; i < kBlock32; ++i)
    if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
  return largest;
}

/// Q4_0 and Q5_0: codes around 0, of which the largest magnitude takes the lowest.
template <class F>
void encode_around_zero(const float* values, int64_t count, const float* importance,
                        std::byte* blocks) {
  constexpr bool kFive = F::kMost > 7;
  constexpr float kMiddle = -F::kLowest;
  for (int64_t b = 0; b < count; ++b, values += kBlock32, blocks += bytes_of(F::kDtype, 32)) {
    const float d =
        importance == nullptr
            ? largest_of(values) / F::kLowest
            : searched_scale({values, importance + b * kBlock32, kBlock32}, F::kLowest, F::kMost);
    put_half(d, blocks);
    const float inverse = inverse_of(importance == nullptr ? d : half_at(blocks));
    uint8_t codes[kBlock32];
    for (int64_t i = 0; i < kBlock32; ++i)
      codes[i] = static_cast<uint8_t>(
          to_code(values[i] * inverse + (kMiddle + 0.5f), 0, F::kMost - F::kLowest));
    store_codes(codes, kFive ? blocks + 2 : nullptr, blocks + (kFive ? 6 : 2));
  }
}

/// Q4_1 and Q5_1: codes from the least value up.
template <class F>
void encode_from_least(const float* values, int64_t count, const float* importance,
                       std::byte* blocks) {
  constexpr bool kFive = F::kMost > 15;
  for (int64_t b = 0; b < count; ++b, values += kBlock32, blocks += bytes_of(F::kDtype, 32)) {
    float least = *std::min_element(values, values + kBlock32);
    float d = (*std::max_element(values, values + kBlock32) - least) / F::kMost;
    if (importance != nullptr) {
      const ScaleMinimum found = searched_scale_minimum(
          {values, importance + b * kBlock32, kBlock32}, F::kMost, AnyMinimum::kYes);
      d = found.scale;
      least = -found.minimum;
    }
    put_half(d, blocks);
    put_half(least, blocks + 2);
    if (importance != nullptr) {
      d = half_at(blocks);
      least = half_at(blocks + 2);
    }
    const float inverse = inverse_of(d);
    uint8_t codes[kBlock32];
    for (int64_t i = 0; i < kBlock32; ++i)
      codes[i] = static_cast<uint8_t>(to_code((values[i] - least) * inverse + 0.5f, 0, F::kMost));
    store_codes(codes, kFive ? blocks + 4 : nullptr, blocks + (kFive ? 8 : 4));
  }
}

/// The largest magnitude takes 127; halves go away from zero. Importances change nothing: what there is to gain is small.
void encode_q8_0(const float* values, int64_t count, const float*, std::byte* blocks) {
  for (int64_t b = 0; b < count; ++b, values += kBlock32, blocks += bytes_of(Dtype::kQ8_0, 32)) {
    const float d = std::fabs(largest_of(values)) / 127;
    const float inverse = inverse_of(d);
    put_half(d, blocks);
    for (int64_t i = 0; i < kBlock32; ++i)
      blocks[2 + i] = static_cast<std::byte>(to_code(std::round(values[i] * inverse), -128, 127));
  }
}

}  // namespace

constexpr BlockFormat kFormatQ8_0 = format_of<Q8_0>("Q8_0", 8, encode_q8_0);
constexpr BlockFormat kFormatQ4_0 = format_of<Q4_0>("Q4_0", 2, encode_around_zero<Q4_0>);
constexpr BlockFormat kFormatQ4_1 = format_of<Q4_1>("Q4_1", 3, encode_from_least<Q4_1>);
constexpr BlockFormat kFormatQ5_0 = format_of<Q5_0>("Q5_0", 6, encode_around_zero<Q5_0>);
constexpr BlockFormat kFormatQ5_1 = format_of<Q5_1>("Q5_1", 7, encode_from_least<Q5_1>);

}  // namespace falconer
