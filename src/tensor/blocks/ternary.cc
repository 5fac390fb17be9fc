#include "tensor/blocks/ternary.h"

#include "tensor/blocks/make_format.h"

namespace falconer {
namespace {

constexpr int64_t kTernaryGroup = 64, kTernaryGroups = 4;  // of one scale

/// `digits` of each of `bytes` bytes: a byte is a fraction of 256 whose digits to the base of 3 are the codes, the
/// first ones of all bytes first.
int8_t* load_digits(const std::byte* from, int64_t bytes, int64_t digits, int8_t* codes) {
  int power = 1;
  for (int64_t digit = 0; digit < digits; ++digit, power *= 3)
    for (int64_t i = 0; i < bytes; ++i) {
      const int rest = std::to_integer<int>(from[i]) * power & 255;
      *codes++ = static_cast<int8_t>((rest * 3 >> 8) - 1);
    }
  return codes;
}

struct TQ1_0 : PlainCodes<Dtype::kTQ1_0, kTernaryGroup, -1, 1> {
  static void load(const std::byte* block, int8_t* codes, float* scales, float*) {
    codes = load_digits(block, 32, 5, codes);
    codes = load_digits(block + 32, 16, 5, codes);
    load_digits(block + 48, 4, 4, codes);
    for (int64_t g = 0; g < kTernaryGroups; ++g) scales[g] = half_at(block + 52);
  }
};

struct TQ2_0 : PlainCodes<Dtype::kTQ2_0, kTernaryGroup, -1, 2> {
  static void load(const std::byte* block, int8_t* codes, float* scales, float*) {
    for (int64_t part = 0; part < 2; ++part)
      for (int64_t shift = 0; shift < 4; ++shift)
        for (int64_t i = 0; i < 32; ++i)
          codes[part * 128 + shift * 32 + i] = static_cast<int8_t>(
              (std::to_integer<int>(block[part * 32 + i]) >> (2 * shift) & 3) - 1);
    for (int64_t g = 0; g < kTernaryGroups; ++g) scales[g] = half_at(block + 64);
  }
};

}  // namespace

constexpr BlockFormat kFormatTQ1_0 = format_of<TQ1_0>("TQ1_0", 34);
constexpr BlockFormat kFormatTQ2_0 = format_of<TQ2_0>("TQ2_0", 35);

}  // namespace falconer
