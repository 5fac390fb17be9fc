#include "checkpoint/gguf_types.h"

#include <gtest/gtest.h>

#include "tensor/blocks/format.h"

namespace falconer::test {
namespace {

TEST(GgufTypes, AreKnownByNumber) {
  EXPECT_STREQ(gguf_type(12)->name, "Q4_K");
  EXPECT_EQ(gguf_type(12)->bytes, 144);
  EXPECT_EQ(gguf_type(12)->dtype, Dtype::kQ4_K);
  EXPECT_EQ(gguf_type(30)->dtype, Dtype::kBF16);
  EXPECT_STREQ(gguf_type(9)->name, "Q8_1");
  EXPECT_FALSE(gguf_type(9)->dtype) << "not for weights";
  EXPECT_FALSE(gguf_type(4)) << "a number that was given up";
  EXPECT_FALSE(gguf_type(1000));
  EXPECT_NE(unknown_gguf_type(133).find("ik_llama.cpp"), std::string::npos);
  EXPECT_EQ(unknown_gguf_type(1000), "is not known");
}

TEST(GgufTypes, EveryFormatThatHasANumberIsOne) {
  for (const BlockFormat* format : block_formats()) {
    if (format->ggml < 0) continue;
    const auto type = gguf_type(static_cast<uint32_t>(format->ggml));
    ASSERT_TRUE(type) << format->label;
    EXPECT_EQ(type->dtype, format->dtype);
    EXPECT_EQ(type->block, format->block());
    EXPECT_EQ(type->bytes, format->bytes());
    EXPECT_EQ(gguf_number(format->dtype), static_cast<uint32_t>(format->ggml));
  }
  for (const Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kBF16, Dtype::kF64})
    EXPECT_EQ(gguf_type(gguf_number(dtype))->dtype, dtype);
}

}  // namespace
}  // namespace falconer::test
