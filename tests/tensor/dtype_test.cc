#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace falconer {
namespace {

float from_bits(uint32_t bits) { return std::bit_cast<float>(bits); }
uint32_t to_bits(float x) { return std::bit_cast<uint32_t>(x); }

/// What a half-precision pattern means, from the definition of IEEE 754.
double meaning(uint16_t bits) {
  const double sign = bits & 0x8000 ? -1 : 1;
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  if (exponent == 31) return mantissa ? std::nan("") : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(F16, EveryPatternMeansWhatIeeeSays) {
  for (uint32_t i = 0; i < 65536; ++i) {
    F16 half;
    half.bits = static_cast<uint16_t>(i);
    const double want = meaning(half.bits), got = static_cast<float>(half);
    if (std::isnan(want)) {
      ASSERT_TRUE(std::isnan(got)) << i;
    } else {
      ASSERT_EQ(got, want) << i;
      ASSERT_EQ(std::signbit(got), std::signbit(want)) << i;
    }
  }
}

TEST(F16, EveryPatternSurvivesTheWayThroughFloat) {
  for (uint32_t i = 0; i < 65536; ++i) {
    F16 half;
    half.bits = static_cast<uint16_t>(i);
    const F16 back(static_cast<float>(half));
    if (std::isnan(meaning(half.bits))) {
      ASSERT_TRUE(std::isnan(static_cast<float>(back))) << i;
      ASSERT_EQ(back.bits & 0x8000, half.bits & 0x8000) << i;
    } else {
      ASSERT_EQ(back.bits, half.bits) << i;
    }
  }
}

// Between each neighbouring pair of halves: the middle goes to the even one, anything else to the
// nearer one. Covers subnormals, the step to normal numbers, and infinity.
TEST(F16, RoundsToNearestEven) {
  for (const uint16_t sign : {0x0000, 0x8000})
    for (uint32_t i = 0; i < 0x7c00; ++i) {
      F16 low, high;
      low.bits = static_cast<uint16_t>(i | sign);
      high.bits = static_cast<uint16_t>((i + 1) | sign);
      // Above the largest half lies, for rounding, the number that the next exponent would begin.
      const double a = meaning(low.bits);
      const double b = i + 1 == 0x7c00 ? std::copysign(65536.0, a) : meaning(high.bits);
      const float middle = static_cast<float>((a + b) / 2);
      ASSERT_EQ(middle, (a + b) / 2);
      ASSERT_EQ(F16(middle).bits, (i % 2 ? high : low).bits) << i;
      ASSERT_EQ(F16(std::nextafter(middle, 0.0f)).bits, low.bits) << i;
      ASSERT_EQ(F16(std::nextafter(middle, static_cast<float>(2 * b))).bits, high.bits) << i;
    }
}

TEST(F16, ExtremesOfFloat) {
  EXPECT_EQ(F16(std::numeric_limits<float>::max()).bits, 0x7c00);
  EXPECT_EQ(F16(-std::numeric_limits<float>::max()).bits, 0xfc00);
  EXPECT_EQ(F16(INFINITY).bits, 0x7c00);
  EXPECT_EQ(F16(-INFINITY).bits, 0xfc00);
  EXPECT_EQ(F16(std::numeric_limits<float>::denorm_min()).bits, 0);
  EXPECT_EQ(F16(-std::numeric_limits<float>::denorm_min()).bits, 0x8000);
  EXPECT_EQ(F16(-0.0f).bits, 0x8000);
}

TEST(BF16, EveryPatternIsTheUpperHalfOfAFloatAndComesBack) {
  for (uint32_t i = 0; i < 65536; ++i) {
    BF16 x;
    x.bits = static_cast<uint16_t>(i);
    ASSERT_EQ(to_bits(static_cast<float>(x)), i << 16);
    const BF16 back(static_cast<float>(x));
    if (std::isnan(from_bits(i << 16))) {
      ASSERT_TRUE(std::isnan(static_cast<float>(back))) << i;
      ASSERT_EQ(back.bits | 0x40, x.bits | 0x40) << i;  // quiet, else as it was
    } else {
      ASSERT_EQ(back.bits, x.bits) << i;
    }
  }
}

TEST(BF16, RoundsToNearestEven) {
  for (const uint32_t sign : {0u, 0x80000000u})
    for (uint32_t i = 0; i < 0x7f80; ++i) {
      const uint32_t low = sign | i << 16;
      const uint32_t up = (low >> 16) + 1, down = low >> 16;
      ASSERT_EQ(BF16(from_bits(low | 0x7fff)).bits, down) << i;
      ASSERT_EQ(BF16(from_bits(low | 0x8000)).bits, i % 2 ? up : down) << i;
      ASSERT_EQ(BF16(from_bits(low | 0x8001)).bits, up) << i;
    }
}

// The payload may lie wholly in the half that is cut off.
TEST(BF16, NanStaysNan) {
  for (const uint32_t bits : {0x7f800001u, 0x7fffffffu, 0xff800001u, 0xffffffffu, 0x7fc00000u}) {
    const BF16 x(from_bits(bits));
    EXPECT_TRUE(std::isnan(static_cast<float>(x)));
    EXPECT_EQ(x.bits >> 15, bits >> 31);
  }
  EXPECT_EQ(BF16(std::numeric_limits<float>::max()).bits, 0x7f80);
}

TEST(Dtype, SizesAndNames) {
  EXPECT_EQ(size_of(dtype_of<float>()), sizeof(float));
  EXPECT_EQ(size_of(dtype_of<double>()), sizeof(double));
  EXPECT_EQ(size_of(dtype_of<BF16>()), sizeof(BF16));
  EXPECT_EQ(size_of(dtype_of<F16>()), sizeof(F16));
  EXPECT_EQ(size_of(dtype_of<int32_t>()), sizeof(int32_t));
  EXPECT_EQ(size_of(dtype_of<int64_t>()), sizeof(int64_t));
  EXPECT_EQ(size_of(Dtype::kBool), 1u);
  EXPECT_EQ(name_of(Dtype::kF32), "f32");
  EXPECT_EQ(name_of(Dtype::kBF16), "bf16");
  EXPECT_EQ(name_of(Dtype::kU8), "u8");
  EXPECT_EQ(name_of(Dtype::kBool), "bool");
}

}  // namespace
}  // namespace falconer
