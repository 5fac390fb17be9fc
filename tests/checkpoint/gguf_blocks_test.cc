#include "checkpoint/gguf_blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "tensor/buffer.h"

namespace falconer::test {
namespace {

std::vector<std::byte> packed(const View& values) {
  std::vector<std::byte> blocks(static_cast<size_t>(values.size() / kQ8Block * kQ8Bytes));
  pack_q8_0(values, blocks.data());
  return blocks;
}

TEST(GgufBlocks, AValueIsWithinHalfAStep) {
  const int64_t rows = 37, cols = 96;
  Tensor values(rows, cols, Dtype::kF32), back(rows, cols, Dtype::kF32);
  const RandomStream random(5, RandomPurpose::kTest);
  for (int64_t i = 0; i < rows * cols; ++i)
    values.view().row<float>(0)[i] = static_cast<float>(random.normal(static_cast<uint64_t>(i)));
  unpack_q8_0(packed(values.view()).data(), back.view());
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t block = 0; block < cols; block += kQ8Block) {
      const float* x = values.view().row<float>(i) + block;
      float most = 0;
      for (int64_t k = 0; k < kQ8Block; ++k) most = std::max(most, std::fabs(x[k]));
      // Half a step, and what the step loses when it is stored with f16's 11 bits.
      const float bound = most / 127 * (0.5f + 127 * 0x1p-11f);
      for (int64_t k = 0; k < kQ8Block; ++k)
        EXPECT_LE(std::fabs(back.view().row<float>(i)[block + k] - x[k]), bound);
    }
}

TEST(GgufBlocks, RoundsHalvesAwayFromZero) {
  Tensor values(1, kQ8Block, Dtype::kF32);
  float* x = values.view().row<float>(0);
  x[0] = 127;  // the step is 1
  x[1] = 2.5f;
  x[2] = -2.5f;
  x[3] = -126.5f;
  const std::vector<std::byte> blocks = packed(values.view());
  F16 step;
  std::memcpy(&step.bits, blocks.data(), 2);
  EXPECT_EQ(static_cast<float>(step), 1.0f);
  const auto q = [&](int i) { return static_cast<int>(static_cast<int8_t>(blocks[2 + i])); };
  EXPECT_EQ(q(0), 127);
  EXPECT_EQ(q(1), 3);
  EXPECT_EQ(q(2), -3);
  EXPECT_EQ(q(3), -127);
  EXPECT_EQ(q(4), 0);
}

TEST(GgufBlocks, ABlockOfZerosStaysZero) {
  Tensor values(2, kQ8Block, Dtype::kF32), back(2, kQ8Block, Dtype::kF32);
  values.view().row<float>(1)[5] = 1e-30f;  // below what f16 can hold a step for
  unpack_q8_0(packed(values.view()).data(), back.view());
  for (int64_t i = 0; i < back.view().size(); ++i) EXPECT_EQ(back.view().row<float>(0)[i], 0.0f);
}

TEST(GgufBlocks, UnpacksToAnyFloatDtype) {
  Tensor values(3, 64, Dtype::kF32), back(3, 64, Dtype::kF32), narrow(3, 64, Dtype::kBF16);
  for (int64_t i = 0; i < values.view().size(); ++i)
    values.view().row<float>(0)[i] = 0.37f * static_cast<float>(i % 50) - 7;
  const std::vector<std::byte> blocks = packed(values.view());
  unpack_q8_0(blocks.data(), back.view());
  unpack_q8_0(blocks.data(), narrow.view());
  for (int64_t i = 0; i < back.view().size(); ++i)
    EXPECT_EQ(narrow.view().row<BF16>(0)[i].bits, BF16(back.view().row<float>(0)[i]).bits);
}

TEST(GgufBlocks, TypesAreKnownByNumber) {
  EXPECT_STREQ(gguf_type(12)->name, "Q4_K");
  EXPECT_EQ(gguf_type(12)->bytes, 144);
  EXPECT_EQ(gguf_type(4), nullptr) << "a number that was given up";
  EXPECT_EQ(gguf_type(1000), nullptr);
  EXPECT_EQ(dtype_from_gguf(kGgufBF16), Dtype::kBF16);
  EXPECT_EQ(dtype_from_gguf(kGgufQ8_0), Dtype::kF32);
  EXPECT_FALSE(dtype_from_gguf(12));
}

}  // namespace
}  // namespace falconer::test
