#include "tensor/blocks/bitsandbytes.h"

#include <algorithm>
#include <cmath>

#include "tensor/blocks/make_format.h"

namespace falconer {
namespace {

constexpr int64_t kBlock64 = 64, kHalf64 = 32;

/// Dettmers et al., "QLoRA", 2023, appendix E.
constexpr float kNormalQuantiles[16] = {-1.0f,
                                        -0.6961928009986877f,
                                        -0.5250730514526367f,
                                        -0.39491748809814453f,
                                        -0.28444138169288635f,
                                        -0.18477343022823334f,
                                        -0.09105003625154495f,
                                        0.0f,
                                        0.07958029955625534f,
                                        0.16093020141124725f,
                                        0.24611230194568634f,
                                        0.33791524171829224f,
                                        0.44070982933044434f,
                                        0.5626170039176941f,
                                        0.7229568362236023f,
                                        1.0f};
/// A float with 2 bits of exponent and 1 of mantissa, over its largest. The second code is its smallest; there are two zeros,
/// and neither has a sign.
constexpr float kFloat4[16] = {0, 1.0f / 192,  2.0f / 3,  1,  1.0f / 3,  0.5f,  1.0f / 6,  0.25f,
                               0, -1.0f / 192, -2.0f / 3, -1, -1.0f / 3, -0.5f, -1.0f / 6, -0.25f};
/// Its codes from the lowest value up.
constexpr int kFloat4Order[16] = {11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3};

float float_at(const std::byte* at) {
  float value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <Dtype D>
struct Table4 : PlainCodes<D, 64, 0, 15> {
  static constexpr const float* kTable = D == Dtype::kNF4 ? kNormalQuantiles : kFloat4;
  static void load(const std::byte* block, int8_t* codes, float* scale, float*) {
    *scale = float_at(block);
    for (int64_t i = 0; i < kHalf64; ++i) {
      const int both = std::to_integer<int>(block[4 + i]);
      codes[i] = static_cast<int8_t>(both & 15);
      codes[i + kHalf64] = static_cast<int8_t>(both >> 4);
    }
  }
};

struct Int8 : PlainCodes<Dtype::kInt8, 64, -128, 127> {
  static void load(const std::byte* block, int8_t* codes, float* scale, float*) {
    *scale = float_at(block) / 127;
    std::memcpy(codes, block + 4, kBlock64);
  }
};

/// bitsandbytes multiplies twice.
void decode_int8(const std::byte* blocks, int64_t count, float* values) {
  for (int64_t b = 0; b < count; ++b, blocks += 68, values += kBlock64) {
    const float largest = float_at(blocks);
    for (int64_t i = 0; i < kBlock64; ++i)
      values[i] = static_cast<float>(static_cast<int8_t>(blocks[4 + i])) * largest * kOneOf127;
  }
}

float largest_magnitude(const float* values, int64_t count) {
  float largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(values[i]));
  return largest;
}

template <Dtype D>
struct Middles {
  float between[15] = {};
  constexpr Middles() {
    for (int k = 0; k < 15; ++k)
      between[k] = (Table4<D>::kTable[code(k)] + Table4<D>::kTable[code(k + 1)]) * 0.5f;
  }
  /// From the lowest value up.
  static constexpr int code(int k) { return D == Dtype::kNF4 ? k : kFloat4Order[k]; }
};

/// Each value has the code of the nearest one, of two the lower.
template <Dtype D>
void encode_table4(const float* values, int64_t count, const float*, std::byte* blocks) {
  static constexpr Middles<D> kMiddles;
  for (int64_t b = 0; b < count; ++b, values += kBlock64, blocks += 36) {
    const float largest = largest_magnitude(values, kBlock64);
    const float inverse = 1 / std::max(largest, 1e-38f);
    std::memcpy(blocks, &largest, sizeof largest);
    float scaled[kBlock64];
    uint8_t below[kBlock64];
    for (int64_t i = 0; i < kBlock64; ++i) scaled[i] = values[i] * inverse;
    count_below(scaled, kBlock64, kMiddles.between, below);
    for (int64_t i = 0; i < kHalf64; ++i)
      blocks[4 + i] =
          static_cast<std::byte>(kMiddles.code(below[i]) | kMiddles.code(below[i + kHalf64]) << 4);
  }
}

/// A row has one scale; weights are rounded to f16 first, halves to even.
void encode_int8(const float* values, int64_t count, const float*, std::byte* blocks) {
  float largest = 0;
  for (int64_t i = 0; i < count * kBlock64; ++i)
    largest = std::max(largest, std::fabs(static_cast<float>(F16(values[i]))));
  const float inverse = 1 / largest * 127;  // torch divides in this way
  for (int64_t b = 0; b < count; ++b, values += kBlock64, blocks += 68) {
    std::memcpy(blocks, &largest, sizeof largest);
    for (int64_t i = 0; i < kBlock64; ++i) {
      const float scaled = static_cast<float>(F16(values[i])) * inverse;
      blocks[4 + i] = static_cast<std::byte>(
          std::isfinite(scaled) ? to_code(std::nearbyint(scaled), -128, 127) : 0);
    }
  }
}

constexpr BlockFormat with_decode(BlockFormat format, decltype(BlockFormat::decode) decode) {
  format.decode = decode;
  return format;
}

}  // namespace

constexpr BlockFormat kFormatNF4 =
    format_of<Table4<Dtype::kNF4>>("NF4", -1, encode_table4<Dtype::kNF4>);
constexpr BlockFormat kFormatFP4 =
    format_of<Table4<Dtype::kFP4>>("FP4", -1, encode_table4<Dtype::kFP4>);
constexpr BlockFormat kFormatInt8 =
    with_decode(format_of<Int8>("int8", -1, encode_int8), decode_int8);

void make_block4(float largest, const std::byte* codes, std::byte* block) {
  std::memcpy(block, &largest, sizeof largest);
  const auto code = [&](int64_t i) {
    return std::to_integer<int>(codes[i / 2]) >> (i % 2 == 0 ? 4 : 0) & 15;
  };
  for (int64_t i = 0; i < kHalf64; ++i)
    block[4 + i] = static_cast<std::byte>(code(i) | code(i + kHalf64) << 4);
}

float split_block4(const std::byte* block, std::byte* codes) {
  const auto code = [&](int64_t i) {
    return std::to_integer<int>(block[4 + i % kHalf64]) >> (i < kHalf64 ? 0 : 4) & 15;
  };
  for (int64_t i = 0; i < kHalf64; ++i)
    codes[i] = static_cast<std::byte>(code(2 * i) << 4 | code(2 * i + 1));
  return float_at(block);
}

}  // namespace falconer
