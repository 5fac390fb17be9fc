#include "tensor/blocks/grids.h"

#include <bit>

#include "tensor/blocks/grid_tables.h"
#include "tensor/blocks/make_format.h"

namespace falconer {
namespace {

constexpr int64_t kRowsOfEight = 32;  // of 256 values

template <class T>
T number_at(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

int bits_at(const std::byte* from, int64_t i) { return std::to_integer<int>(from[i]); }
/// The 4 bits that are number i of those at `from`.
int four_bits_at(const std::byte* from, int64_t i) {
  return bits_at(from, i / 2) >> (i % 2 * 4) & 15;
}

/// 8 values, of which those whose bit is 1 are negative.
void put_signed(const int8_t* row, int signs, int8_t* codes) {
  for (int i = 0; i < 8; ++i)
    codes[i] = static_cast<int8_t>((signs >> i & 1) != 0 ? -row[i] : row[i]);
}

/// The eighth sign makes the number of negative ones even.
int eight_signs(uint32_t seven) {
  return static_cast<int>(seven | (static_cast<uint32_t>(std::popcount(seven)) & 1u) << 7);
}

struct IQ2_XXS : PlainCodes<Dtype::kIQ2_XXS, 32, -43, 43> {
  // d, then for each group 4 bytes of rows, and 32 bits of 4 times 7 signs and a scale.
  static void load(const std::byte* block, int8_t* codes, float* scales, float*) {
    const float d = half_at(block);
    const int8_t* table = grid_tables().iq2_xxs.data();
    for (int64_t g = 0; g < 8; ++g) {
      const std::byte* from = block + 2 + g * 8;
      const auto rest = number_at<uint32_t>(from + 4);
      scales[g] = d * (0.5f + static_cast<float>(rest >> 28)) * 0.25f;
      for (int64_t i = 0; i < 4; ++i)
        put_signed(table + bits_at(from, i) * 8, eight_signs(rest >> (7 * i) & 127),
                   codes + g * 32 + i * 8);
    }
  }
};

struct IQ2_XS : PlainCodes<Dtype::kIQ2_XS, 16, -43, 43> {
  // d, 32 times 16 bits of a row and 7 signs, 16 scales of 4 bits.
  static void load(const std::byte* block, int8_t* codes, float* scales, float*) {
    const float d = half_at(block);
    const int8_t* table = grid_tables().iq2_xs.data();
    for (int64_t i = 0; i < kRowsOfEight; ++i) {
      const auto both = number_at<uint16_t>(block + 2 + 2 * i);
      put_signed(table + (both & 511) * 8, eight_signs(both >> 9), codes + i * 8);
    }
    for (int64_t g = 0; g < 16; ++g)
      scales[g] = d * (0.5f + static_cast<float>(four_bits_at(block + 66, g))) * 0.25f;
  }
};

struct IQ2_S : PlainCodes<Dtype::kIQ2_S, 16, -43, 43> {
  // d, 32 bytes of rows, 32 of signs, 32 times 2 more bits of rows, 16 scales of 4 bits.
  static void load(const std::byte* block, int8_t* codes, float* scales, float*) {
    const float d = half_at(block);
    const int8_t* table = grid_tables().iq2_s.data();
    for (int64_t i = 0; i < kRowsOfEight; ++i) {
      const int high = bits_at(block + 66, i / 4) >> (i % 4 * 2) & 3;
      put_signed(table + (bits_at(block + 2, i) | high << 8) * 8, bits_at(block + 34, i),
                 codes + i * 8);
    }
    for (int64_t g = 0; g < 16; ++g)
      scales[g] = d * (0.5f + static_cast<float>(four_bits_at(block + 74, g))) * 0.25f;
  }
};

/// 8 values out of two rows of 4.
void put_two_rows(const int8_t* first, const int8_t* second, int signs, int8_t* codes) {
  int8_t row[8];
  std::memcpy(row, first, 4);
  std::memcpy(row + 4, second, 4);
  put_signed(row, signs, codes);
}

struct IQ3_XXS : PlainCodes<Dtype::kIQ3_XXS, 32, -62, 62> {
  // d, 64 bytes of rows, for each group 32 bits of 4 times 7 signs and a scale.
  static void load(const std::byte* block, int8_t* codes, float* scales, float*) {
    const float d = half_at(block);
    const int8_t* table = grid_tables().iq3_xxs.data();
    for (int64_t g = 0; g < 8; ++g) {
      const auto rest = number_at<uint32_t>(block + 66 + g * 4);
      scales[g] = d * (0.5f + static_cast<float>(rest >> 28)) * 0.5f;
      for (int64_t i = 0; i < 4; ++i) {
        const std::byte* rows = block + 2 + g * 8 + i * 2;
        put_two_rows(table + bits_at(rows, 0) * 4, table + bits_at(rows, 1) * 4,
                     eight_signs(rest >> (7 * i) & 127), codes + g * 32 + i * 8);
      }
    }
  }
};

struct IQ3_S : PlainCodes<Dtype::kIQ3_S, 32, -15, 15> {
  // d, 64 bytes of rows, 64 bits more of them, 32 bytes of signs, 8 scales of 4 bits.
  static void load(const std::byte* block, int8_t* codes, float* scales, float*) {
    const float d = half_at(block);
    const int8_t* table = grid_tables().iq3_s.data();
    const auto row = [&](int64_t i) {
      const int high = bits_at(block + 66, i / 8) >> (i % 8) & 1;
      return table + (bits_at(block + 2, i) | high << 8) * 4;
    };
    for (int64_t i = 0; i < kRowsOfEight; ++i)
      put_two_rows(row(2 * i), row(2 * i + 1), bits_at(block + 74, i), codes + i * 8);
    for (int64_t g = 0; g < 8; ++g)
      scales[g] = d * static_cast<float>(1 + 2 * four_bits_at(block + 106, g));
  }
};

/// 8 values that are all a little more than those of the row, or a little less; everything eight times.
void put_moved(const int8_t* row, bool less, int8_t* codes) {
  for (int i = 0; i < 8; ++i) codes[i] = static_cast<int8_t>(row[i] + (less ? -1 : 1));
}

struct IQ1_S : PlainCodes<Dtype::kIQ1_S, 32, -9, 9> {
  // d, 32 bytes of rows, for each group 16 bits: 3 more of 4 rows, a scale of 3, and which way they are moved.
  static void load(const std::byte* block, int8_t* codes, float* scales, float*) {
    const float d = half_at(block);
    const int8_t* table = grid_tables().iq1.data();
    for (int64_t g = 0; g < 8; ++g) {
      const int rest = number_at<uint16_t>(block + 34 + 2 * g);
      scales[g] = d * static_cast<float>(2 * (rest >> 12 & 7) + 1) * 0.125f;
      for (int64_t i = 0; i < 4; ++i)
        put_moved(table + (bits_at(block + 2, g * 4 + i) | (rest >> (3 * i) & 7) << 8) * 8,
                  (rest & 0x8000) != 0, codes + g * 32 + i * 8);
    }
  }
};

struct IQ1_M : PlainCodes<Dtype::kIQ1_M, 16, -9, 9> {
  // 32 bytes of rows, for each row 3 more bits of it and which way it is moved, 4 times 16 bits: 4 scales of 3 and 4
  // bits of d.
  static void load(const std::byte* block, int8_t* codes, float* scales, float*) {
    const int8_t* table = grid_tables().iq1.data();
    F16 d;
    for (int64_t i = 0; i < 4; ++i)
      d.bits =
          static_cast<uint16_t>(d.bits | number_at<uint16_t>(block + 48 + 2 * i) >> 12 << (4 * i));
    for (int64_t i = 0; i < kRowsOfEight; ++i) {
      const int rest = four_bits_at(block + 32, i);
      put_moved(table + (bits_at(block, i) | (rest & 7) << 8) * 8, (rest & 8) != 0, codes + i * 8);
    }
    for (int64_t g = 0; g < 16; ++g) {
      const int scale = number_at<uint16_t>(block + 48 + g / 4 * 2) >> (g % 4 * 3) & 7;
      scales[g] = static_cast<float>(d) * static_cast<float>(2 * scale + 1) * 0.125f;
    }
  }
};

}  // namespace

constexpr BlockFormat kFormatIQ1_S = format_of<IQ1_S>("IQ1_S", 19);
constexpr BlockFormat kFormatIQ1_M = format_of<IQ1_M>("IQ1_M", 29);
constexpr BlockFormat kFormatIQ2_XXS = format_of<IQ2_XXS>("IQ2_XXS", 16);
constexpr BlockFormat kFormatIQ2_XS = format_of<IQ2_XS>("IQ2_XS", 17);
constexpr BlockFormat kFormatIQ2_S = format_of<IQ2_S>("IQ2_S", 22);
constexpr BlockFormat kFormatIQ3_XXS = format_of<IQ3_XXS>("IQ3_XXS", 18);
constexpr BlockFormat kFormatIQ3_S = format_of<IQ3_S>("IQ3_S", 21);

}  // namespace falconer
