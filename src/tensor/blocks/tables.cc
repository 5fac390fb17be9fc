#include "tensor/blocks/tables.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "tensor/blocks/make_format.h"

namespace falconer {
namespace {

constexpr int8_t kUneven[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                1,    13,   25,  38,  53,  69,  89,  113};
constexpr float kUnevenFloats[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};
/// Twice the values of a float of 4 bits, so that they are whole.
constexpr int8_t kTwiceFloat4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

int unsigned_at(const std::byte* from, int64_t i) { return std::to_integer<int>(from[i]); }

/// 2 * `half` codes in `half` bytes, looked up.
void look_up(const std::byte* from, int64_t half, const int8_t* table, int8_t* codes) {
  for (int64_t i = 0; i < half; ++i) {
    codes[i] = table[unsigned_at(from, i) & 15];
    codes[i + half] = table[unsigned_at(from, i) >> 4];
  }
}

/// 32 codes in 16 bytes, the first 16 in the low halves.
void take_codes(const std::byte* from, int8_t* codes) {
  for (int64_t i = 0; i < 16; ++i) {
    codes[i] = static_cast<int8_t>(unsigned_at(from, i) & 15);
    codes[i + 16] = static_cast<int8_t>(unsigned_at(from, i) >> 4);
  }
}

void store_looked_up(const uint8_t* codes, std::byte* to) {
  for (int64_t i = 0; i < 16; ++i) to[i] = static_cast<std::byte>(codes[i] | codes[i + 16] << 4);
}

template <Dtype D>
struct UnevenCodes : PlainCodes<D, 32, 0, 15> {
  static constexpr const float* kTable = kUnevenFloats;
};

struct IQ4_NL : UnevenCodes<Dtype::kIQ4_NL> {
  static void load(const std::byte* block, int8_t* codes, float* scale, float*) {
    *scale = half_at(block);
    take_codes(block + 2, codes);
  }
};

struct IQ4_XS : UnevenCodes<Dtype::kIQ4_XS> {
  // d, 16 bits with the high 2 of each scale, 4 bytes with the low 4, codes.
  static void load(const std::byte* block, int8_t* codes, float* scales, float*) {
    const float d = half_at(block);
    const int high = unsigned_at(block, 2) | unsigned_at(block, 3) << 8;
    for (int64_t g = 0; g < 8; ++g) {
      const int scale = (unsigned_at(block, 4 + g / 2) >> (g % 2 * 4) & 15) | (high >> (2 * g) & 3)
                                                                                  << 4;
      scales[g] = d * static_cast<float>(scale - 32);
      take_codes(block + 8 + g * 16, codes + g * 32);
    }
  }
};

/// 2^(e - 128): a power of two whose half makes up for the table of doubles. ggml takes 255 for one, too.
float power_of(int e) {
  return std::bit_cast<float>(e < 2 ? uint32_t{0x00200000} << e
                                    : static_cast<uint32_t>(e - 1) << 23);
}

struct MXFP4 : PlainCodes<Dtype::kMXFP4, 32, -12, 12> {
  static void load(const std::byte* block, int8_t* codes, float* scale, float*) {
    *scale = power_of(unsigned_at(block, 0));
    look_up(block + 1, 16, kTwiceFloat4, codes);
  }
};

/// Half of a float with 4 bits of exponent and 3 of mantissa, without a sign. ggml takes its NaN for 0.
float half_of_float7(int bits) {
  if (bits == 0 || bits == 0x7f) return 0;
  const int exponent = bits >> 3 & 15;
  const auto mantissa = static_cast<float>(bits & 7);
  if (exponent == 0) return mantissa * 0x1p-10f;
  return std::ldexp(1 + mantissa / 8, exponent - 8);
}

struct NVFP4 : PlainCodes<Dtype::kNVFP4, 16, -12, 12> {
  static void load(const std::byte* block, int8_t* codes, float* scales, float*) {
    for (int64_t g = 0; g < 4; ++g) {
      scales[g] = half_of_float7(unsigned_at(block, g));
      look_up(block + 4 + g * 8, 8, kTwiceFloat4, codes + g * 16);
    }
  }
};

/// ggml's rule: the exponent of the largest magnitude (as log2f rounds it) less 2, the nearest value, and of two the one
/// that comes first in the table.
void encode_mxfp4(const float* values, int64_t count, const float*, std::byte* blocks) {
  for (int64_t b = 0; b < count; ++b, values += 32, blocks += 17) {
    float largest = 0;
    for (int64_t i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(values[i]));
    const int e = largest > 0
                      ? std::clamp(static_cast<int>(std::floor(std::log2(largest))) + 125, 0, 255)
                      : 0;
    blocks[0] = static_cast<std::byte>(e);
    const float scale = power_of(e);
    uint8_t codes[32];
    for (int64_t i = 0; i < 32; ++i) {
      float least = INFINITY;
      codes[i] = 0;
      for (uint8_t code = 0; code < 16; ++code) {
        const float off = std::fabs(scale * static_cast<float>(kTwiceFloat4[code]) - values[i]);
        if (!(off < least)) continue;
        least = off;
        codes[i] = code;
      }
    }
    store_looked_up(codes, blocks + 1);
  }
}

struct UnevenMiddles {
  float between[15] = {};
  constexpr UnevenMiddles() {
    for (int k = 0; k < 15; ++k)
      between[k] = 0.5f * static_cast<float>(kUneven[k] + kUneven[k + 1]);
  }
};

/// The codes of the nearest values.
void uneven_codes(const float* x, float inverse, uint8_t* codes) {
  static constexpr UnevenMiddles kMiddles;
  float scaled[32];
  for (int64_t i = 0; i < 32; ++i) scaled[i] = x[i] * inverse;
  count_below(scaled, 32, kMiddles.between, codes);
}

/// The best scale for the codes of `inverse`, and what it takes off the squared error.
struct UnevenFit {
  double gain = 0;
  float scale = 0;
};

UnevenFit uneven_fit(const float* x, const float* weight, float inverse) {
  uint8_t codes[32];
  uneven_codes(x, inverse, codes);
  double tt = 0, tx = 0;
  for (int64_t i = 0; i < 32; ++i) {
    const auto t = static_cast<float>(kUneven[codes[i]]);
    const float w = weight == nullptr ? 1 : weight[i];
    tt += static_cast<double>(w * t * t);
    tx += static_cast<double>(w * t * x[i]);
  }
  return tt > 0 ? UnevenFit{tx * tx / tt, static_cast<float>(tx / tt)} : UnevenFit{};
}

float uneven_scale(const float* x, const float* weight) {
  float largest = 0;
  for (int64_t i = 0; i < 32; ++i)
    if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
  if (!(std::fabs(1 / largest) < 1e36f)) return 0;
  UnevenFit best;
  const auto take = [&](float inverse) {
    const UnevenFit next = uneven_fit(x, weight, inverse);
    const bool better = next.gain > best.gain;
    if (better) best = next;
    return better;
  };
  // The largest magnitude on either end of the table, inside of it, or beyond.
  for (const int end : {kUneven[0], kUneven[15]})
    for (int step = -14; step <= 14; step += 2) take(static_cast<float>(end + step) / largest);
  for (int round = 0; round < 4 && best.scale != 0; ++round)
    if (!take(1 / best.scale)) break;
  return best.scale == 0 ? largest / kUneven[0] : best.scale;
}

void encode_iq4_nl(const float* values, int64_t count, const float* importance, std::byte* blocks) {
  for (int64_t b = 0; b < count; ++b, values += 32, blocks += 18) {
    put_half(uneven_scale(values, importance == nullptr ? nullptr : importance + b * 32), blocks);
    const float scale = half_at(blocks);
    const float inverse = scale == 0 ? 0 : 1 / scale;
    uint8_t codes[32];
    uneven_codes(values, inverse, codes);
    store_looked_up(codes, blocks + 2);
  }
}

}  // namespace

constexpr BlockFormat kFormatIQ4_NL = format_of<IQ4_NL>("IQ4_NL", 20, encode_iq4_nl);
constexpr BlockFormat kFormatIQ4_XS = format_of<IQ4_XS>("IQ4_XS", 23);
constexpr BlockFormat kFormatMXFP4 = format_of<MXFP4>("MXFP4", 39, encode_mxfp4);
constexpr BlockFormat kFormatNVFP4 = format_of<NVFP4>("NVFP4", 40);

}  // namespace falconer
