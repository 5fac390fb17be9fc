// Numbers that the dtype of a file cannot hold: whatever writes them, they are refused by name.
#include "checkpoint/tensor_writer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "checkpoint/gguf_writer.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/tensor_file.h"
#include "checkpoint/torch_zip_writer.h"
#include "support/errors.h"
#include "support/temp_folder.h"
#include "tensor/buffer.h"
#include "tensor/finite.h"

namespace falconer::test {
namespace {

Tensor with(float value, int64_t row, int64_t col, Dtype dtype = Dtype::kF32) {
  Tensor made(3, 64, dtype);
  const Tensor wide(3, 64, Dtype::kF32);
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 64; ++j) wide.view().row<float>(i)[j] = 0.5f;
  wide.view().row<float>(row)[col] = value;
  copy_converted(wide.view(), made.view());
  return made;
}

/// What writing says, or "".
std::string said(const TempFolder& folder, int writer, const Tensor& values, Dtype dtype) {
  const std::vector<TensorSpec> specs = {{"some.weight", dtype, {3, 64}}};
  std::unique_ptr<TensorWriter> made;
  if (writer == 0)
    made = std::make_unique<SafetensorsWriter>(folder / "a.safetensors", specs);
  else if (writer == 1)
    made = std::make_unique<TorchZipWriter>(folder / "a.pth", specs);
  else
    made = std::make_unique<GgufWriter>(folder / "a.gguf", specs, GgufMetadata());
  try {
    made->write(values.view());
    made->commit();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(TensorWriter, WhatADtypeCannotHoldIsRefusedByName) {
  const TempFolder folder;
  constexpr float kEndOfBf16 = 3.3895314e38f;  // and half a unit above it rounds to infinity
  for (const int writer : {0, 1, 2})
    for (const auto& [row, col] : {std::pair<int64_t, int64_t>(0, 0), {2, 63}, {1, 17}})
      for (const float sign : {1.0f, -1.0f}) {
        const auto write = [&](float value, Dtype dtype) {
          return said(folder, writer, with(sign * value, row, col), dtype);
        };
        expect_mentions(write(3.4e38f, Dtype::kBF16), {"some.weight", "3.4e+38", "bf16", "f32"});
        expect_mentions(write(65520, Dtype::kF16), {"some.weight", "65520", "f16 ends at 65504"});
        EXPECT_EQ(write(kEndOfBf16, Dtype::kBF16), "");
        EXPECT_EQ(write(65519, Dtype::kF16), "") << "rounds to 65504";
        EXPECT_EQ(write(3.4e38f, Dtype::kF32), "");
        // What was infinite before is not this writer's fault.
        EXPECT_EQ(write(INFINITY, Dtype::kBF16), "");
      }
}

TEST(TensorWriter, AScaleOfABlockIsF16) {
  const TempFolder folder;
  const auto write = [&](float value, Dtype dtype = Dtype::kQ8_0) {
    return said(folder, 2, with(value, 1, 40), dtype);
  };
  expect_mentions(write(8.4e6f), {"some.weight", "8.4e+06", "Q8_0"});
  expect_mentions(write(-8.4e6f), {"some.weight", "-8.4e+06", "Q8_0"});
  expect_mentions(write(NAN), {"some.weight", "nan", "Q8_0"});
  expect_mentions(write(INFINITY), {"some.weight", "inf", "Q8_0"});
  EXPECT_EQ(write(8.3e6f), "");
  expect_mentions(write(1.1e6f, Dtype::kQ4_1), {"some.weight", "1.1e+06", "Q4_1"});
  expect_mentions(write(NAN, Dtype::kIQ4_NL), {"some.weight", "nan", "IQ4_NL"});
  EXPECT_EQ(write(3e38f, Dtype::kMXFP4), "") << "its scale is a power of two";
}

TEST(Finite, TheFirstNumberThatIsNoneIsFound) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16, Dtype::kF16, Dtype::kF64})
    for (const float value : {INFINITY, -INFINITY, NAN}) {
      const Tensor values = with(value, 2, 63, dtype);
      const auto found = first_not_finite(values.view());
      ASSERT_TRUE(found) << name_of(dtype);
      EXPECT_EQ(found->row, 2);
      EXPECT_EQ(found->col, 63);
      EXPECT_FALSE(first_not_finite(values.view().row_range(0, 2)));
      EXPECT_FALSE(first_not_finite(values.view().col_range(0, 63)));
    }
  EXPECT_FALSE(first_not_finite(with(65504, 0, 0, Dtype::kF16).view()));
}

}  // namespace
}  // namespace falconer::test
