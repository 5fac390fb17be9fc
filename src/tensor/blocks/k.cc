#include "tensor/blocks/k.h"

#include "tensor/blocks/k_search.h"
#include "tensor/blocks/make_format.h"

namespace falconer {
namespace {

constexpr int64_t kLong = 256;

int byte_at(const std::byte* from, int64_t i) { return std::to_integer<int>(from[i]); }

/// 256 codes of 2 bits in 64 bytes: of each 32 bytes, the lowest bits of all, then the next of all.
void load_pairs(const std::byte* from, int8_t* codes) {
  for (int64_t part = 0; part < 2; ++part)
    for (int64_t shift = 0; shift < 4; ++shift)
      for (int64_t i = 0; i < 32; ++i)
        codes[part * 128 + shift * 32 + i] =
            static_cast<int8_t>(byte_at(from, part * 32 + i) >> (2 * shift) & 3);
}

void store_pairs(const uint8_t* codes, std::byte* to) {
  for (int64_t part = 0; part < 2; ++part)
    for (int64_t i = 0; i < 32; ++i) {
      int all = 0;
      for (int64_t shift = 0; shift < 4; ++shift)
        all |= (codes[part * 128 + shift * 32 + i] & 3) << (2 * shift);
      to[part * 32 + i] = static_cast<std::byte>(all);
    }
}

/// 256 codes of 4 bits in 128 bytes: of each `run` bytes, the low halves, then the high ones.
void load_halves(const std::byte* from, int64_t run, int8_t* codes) {
  for (int64_t at = 0; at < kLong / 2; at += run)
    for (int64_t i = 0; i < run; ++i) {
      const int both = byte_at(from, at + i);
      codes[2 * at + i] = static_cast<int8_t>(both & 15);
      codes[2 * at + run + i] = static_cast<int8_t>(both >> 4);
    }
}

void store_halves(const uint8_t* codes, int64_t run, std::byte* to) {
  for (int64_t at = 0; at < kLong / 2; at += run)
    for (int64_t i = 0; i < run; ++i)
      to[at + i] =
          static_cast<std::byte>((codes[2 * at + i] & 15) | (codes[2 * at + run + i] & 15) << 4);
}

/// Bit `group` of 32 bytes is of the 32 codes of that group.
void add_bits(const std::byte* from, int value, int8_t* codes) {
  for (int64_t group = 0; group < 8; ++group)
    for (int64_t i = 0; i < 32; ++i)
      codes[group * 32 + i] =
          static_cast<int8_t>(codes[group * 32 + i] + (byte_at(from, i) >> group & 1) * value);
}

void store_bits(const uint8_t* codes, int place, std::byte* to) {
  for (int64_t i = 0; i < 32; ++i) {
    int all = 0;
    for (int64_t group = 0; group < 8; ++group)
      all |= (codes[group * 32 + i] >> place & 1) << group;
    to[i] = static_cast<std::byte>(all);
  }
}

/// Scales and minimums of 8 groups, 6 bits each, in 12 bytes: those of groups 0 to 3 lie in the low 6 bits of bytes 0
/// to 7; of the others 4 bits are in bytes 8 to 11, and 2 in what bytes 0 to 7 have left.
void load_sixes(const std::byte* from, int* scales, int* minimums) {
  for (int64_t i = 0; i < 4; ++i) {
    const int a = byte_at(from, i), b = byte_at(from, 4 + i), c = byte_at(from, 8 + i);
    scales[i] = a & 63;
    minimums[i] = b & 63;
    scales[4 + i] = (c & 15) | a >> 6 << 4;
    minimums[4 + i] = c >> 4 | b >> 6 << 4;
  }
}

void store_sixes(const int* scales, const int* minimums, std::byte* to) {
  for (int64_t i = 0; i < 4; ++i) {
    to[i] = static_cast<std::byte>(scales[i] | scales[4 + i] >> 4 << 6);
    to[4 + i] = static_cast<std::byte>(minimums[i] | minimums[4 + i] >> 4 << 6);
    to[8 + i] = static_cast<std::byte>((scales[4 + i] & 15) | (minimums[4 + i] & 15) << 4);
  }
}

/// 16 scales of 6 bits in 12 bytes: 4 bits each in the first 8, 2 bits each in the last 4.
void load_sixteen_sixes(const std::byte* from, int* scales) {
  for (int64_t i = 0; i < 16; ++i)
    scales[i] = (byte_at(from, i % 8) >> (i / 8 * 4) & 15) |
                (byte_at(from, 8 + i % 4) >> (i / 4 * 2) & 3) << 4;
}

void store_sixteen_sixes(const int* scales, std::byte* to) {
  for (int64_t i = 0; i < 12; ++i) to[i] = std::byte{0};
  for (int64_t i = 0; i < 16; ++i) {
    to[i % 8] |= static_cast<std::byte>((scales[i] & 15) << (i / 8 * 4));
    to[8 + i % 4] |= static_cast<std::byte>(scales[i] >> 4 << (i / 4 * 2));
  }
}

struct Q2_K : PlainCodes<Dtype::kQ2_K, 16, 0, 3> {
  static constexpr bool kMinimums = true;
  // 16 bytes of s and m, 64 of codes, d, e.
  static void load(const std::byte* block, int8_t* codes, float* scales, float* minimums) {
    const float d = half_at(block + 80), e = half_at(block + 82);
    for (int64_t g = 0; g < 16; ++g) {
      scales[g] = d * static_cast<float>(byte_at(block, g) & 15);
      minimums[g] = e * static_cast<float>(byte_at(block, g) >> 4);
    }
    load_pairs(block + 16, codes);
  }
  static void store(const KBlock& made, std::byte* block) {
    for (int64_t g = 0; g < 16; ++g)
      block[g] = static_cast<std::byte>(made.scales[g] | made.minimums[g] << 4);
    store_pairs(made.codes, block + 16);
    put_half(made.d, block + 80);
    put_half(made.e, block + 82);
  }
};

struct Q3_K : PlainCodes<Dtype::kQ3_K, 16, -4, 3> {
  // 32 bytes of third bits, which are 1 where nothing is taken off, 64 of the other two, 12 of s, d.
  static void load(const std::byte* block, int8_t* codes, float* scales, float*) {
    const float d = half_at(block + 108);
    int sixes[16];
    load_sixteen_sixes(block + 96, sixes);
    for (int64_t g = 0; g < 16; ++g) scales[g] = d * static_cast<float>(sixes[g] - 32);
    load_pairs(block + 32, codes);
    for (int64_t i = 0; i < kLong; ++i) codes[i] = static_cast<int8_t>(codes[i] - 4);
    add_bits(block, 4, codes);
  }
  static void store(const KBlock& made, std::byte* block) {
    int sixes[16];
    for (int64_t g = 0; g < 16; ++g) sixes[g] = made.scales[g] + 32;
    store_bits(made.codes, 2, block);
    store_pairs(made.codes, block + 32);
    store_sixteen_sixes(sixes, block + 96);
    put_half(made.d, block + 108);
  }
};

/// The begin of Q4_K and Q5_K: d, e, 12 bytes of s and m.
void load_scales(const std::byte* block, float* scales, float* minimums) {
  const float d = half_at(block), e = half_at(block + 2);
  int s[8], m[8];
  load_sixes(block + 4, s, m);
  for (int64_t g = 0; g < 8; ++g) {
    scales[g] = d * static_cast<float>(s[g]);
    minimums[g] = e * static_cast<float>(m[g]);
  }
}

void store_scales(const KBlock& made, std::byte* block) {
  put_half(made.d, block);
  put_half(made.e, block + 2);
  store_sixes(made.scales, made.minimums, block + 4);
}

struct Q4_K : PlainCodes<Dtype::kQ4_K, 32, 0, 15> {
  static constexpr bool kMinimums = true;
  // Scales, 128 bytes of codes.
  static void load(const std::byte* block, int8_t* codes, float* scales, float* minimums) {
    load_scales(block, scales, minimums);
    load_halves(block + 16, 32, codes);
  }
  static void store(const KBlock& made, std::byte* block) {
    store_scales(made, block);
    store_halves(made.codes, 32, block + 16);
  }
};

struct Q5_K : PlainCodes<Dtype::kQ5_K, 32, 0, 31> {
  static constexpr bool kMinimums = true;
  // Scales, 32 bytes of fifth bits, 128 of the others.
  static void load(const std::byte* block, int8_t* codes, float* scales, float* minimums) {
    load_scales(block, scales, minimums);
    load_halves(block + 48, 32, codes);
    add_bits(block + 16, 16, codes);
  }
  static void store(const KBlock& made, std::byte* block) {
    store_scales(made, block);
    store_bits(made.codes, 4, block + 16);
    store_halves(made.codes, 32, block + 48);
  }
};

struct Q6_K : PlainCodes<Dtype::kQ6_K, 16, -32, 31> {
  // 128 bytes of the low 4 bits, 64 of the high 2, 16 of s, d.
  static void load(const std::byte* block, int8_t* codes, float* scales, float*) {
    const float d = half_at(block + 208);
    for (int64_t g = 0; g < 16; ++g)
      scales[g] = d * static_cast<float>(static_cast<int8_t>(byte_at(block, 192 + g)));
    int8_t high[kLong];
    load_halves(block, 64, codes);
    load_pairs(block + 128, high);
    for (int64_t i = 0; i < kLong; ++i)
      codes[i] = static_cast<int8_t>((codes[i] | high[i] << 4) - 32);
  }
  static void store(const KBlock& made, std::byte* block) {
    store_halves(made.codes, 64, block);
    uint8_t high[kLong];
    for (int64_t i = 0; i < kLong; ++i) high[i] = static_cast<uint8_t>(made.codes[i] >> 4);
    store_pairs(high, block + 128);
    for (int64_t g = 0; g < 16; ++g) block[192 + g] = static_cast<std::byte>(made.scales[g]);
    put_half(made.d, block + 208);
  }
};

/// F with scales and minimums of at most `most_scale`, or with scales from `lowest_scale` on.
template <class F>
void encode_k(const float* values, int64_t count, const float* importance, std::byte* blocks) {
  constexpr int kLowestScale = F::kDtype == Dtype::kQ3_K   ? -32
                               : F::kDtype == Dtype::kQ6_K ? -128
                                                           : 0;
  constexpr int kMostScale = F::kDtype == Dtype::kQ2_K   ? 15
                             : F::kDtype == Dtype::kQ3_K ? 31
                             : F::kDtype == Dtype::kQ6_K ? 127
                                                         : 63;
  constexpr KShape kShape{F::kGroup, F::kLowest, F::kMost, kLowestScale, kMostScale, F::kMinimums};
  for (int64_t b = 0; b < count; ++b)
    F::store(searched_k(values + b * kLong,
                        importance == nullptr ? nullptr : importance + b * kLong, kShape),
             blocks + b * static_cast<int64_t>(bytes_of(F::kDtype, kLong)));
}

}  // namespace

constexpr BlockFormat kFormatQ2_K = format_of<Q2_K>("Q2_K", 10, encode_k<Q2_K>);
constexpr BlockFormat kFormatQ3_K = format_of<Q3_K>("Q3_K", 11, encode_k<Q3_K>);
constexpr BlockFormat kFormatQ4_K = format_of<Q4_K>("Q4_K", 12, encode_k<Q4_K>);
constexpr BlockFormat kFormatQ5_K = format_of<Q5_K>("Q5_K", 13, encode_k<Q5_K>);
constexpr BlockFormat kFormatQ6_K = format_of<Q6_K>("Q6_K", 14, encode_k<Q6_K>);

}  // namespace falconer
