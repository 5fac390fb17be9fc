#include "checkpoint/gguf_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/threads.h"

namespace falconer {
namespace {

constexpr GgufType kTypes[] = {
    {0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},
    {3, "Q4_1", 32, 20},      {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},
    {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},      {10, "Q2_K", 256, 84},
    {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66},
    {17, "IQ2_XS", 256, 74},  {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},
    {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},  {22, "IQ2_S", 256, 82},
    {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},         {25, "I16", 1, 2},
    {26, "I32", 1, 4},        {27, "I64", 1, 8},        {28, "F64", 1, 8},
    {29, "IQ1_M", 256, 56},   {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},
    {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},    {40, "NVFP4", 64, 36},
    {41, "Q1_0", 128, 18},
};

void pack_block(const float* x, std::byte* out) {
  float most = 0;
  for (int64_t i = 0; i < kQ8Block; ++i) most = std::max(most, std::fabs(x[i]));
  const float d = most / 127.0f, inverse = d == 0 ? 0.0f : 1.0f / d;
  const F16 stored(d);
  std::memcpy(out, &stored.bits, sizeof stored.bits);
  for (int64_t i = 0; i < kQ8Block; ++i)
    out[2 + i] = static_cast<std::byte>(static_cast<int8_t>(std::round(x[i] * inverse)));
}

void unpack_block(const std::byte* block, float* out) {
  F16 d;
  std::memcpy(&d.bits, block, sizeof d.bits);
  const float scale = static_cast<float>(d);
  for (int64_t i = 0; i < kQ8Block; ++i)
    out[i] = scale * static_cast<float>(static_cast<int8_t>(block[2 + i]));
}

}  // namespace

const GgufType* gguf_type(uint32_t number) {
  for (const GgufType& type : kTypes)
    if (type.number == number) return &type;
  return nullptr;
}

std::optional<Dtype> dtype_from_gguf(uint32_t number) {
  switch (number) {
    case kGgufF32:
    case kGgufQ8_0:
      return Dtype::kF32;
    case kGgufF16:
      return Dtype::kF16;
    case kGgufBF16:
      return Dtype::kBF16;
    case 28:
      return Dtype::kF64;
    default:
      return std::nullopt;
  }
}

void pack_q8_0(const View& values, std::byte* blocks) {
  FALCONER_CHECK(values.contiguous() && values.size() % kQ8Block == 0);
  const auto* x = static_cast<const float*>(values.data);
  FALCONER_CHECK(values.dtype == Dtype::kF32);
  parallel_for(values.size() / kQ8Block, 1 << 10, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) pack_block(x + i * kQ8Block, blocks + i * kQ8Bytes);
  });
}

void unpack_q8_0(const std::byte* blocks, const View& values) {
  FALCONER_CHECK(values.cols % kQ8Block == 0);
  const int64_t per_row = values.cols / kQ8Block;
  parallel_for(values.rows, 1 + (1 << 12) / std::max<int64_t>(1, per_row),
               [&](int64_t begin, int64_t end) {
                 std::vector<float> row(static_cast<size_t>(values.cols));
                 for (int64_t i = begin; i < end; ++i) {
                   for (int64_t j = 0; j < per_row; ++j)
                     unpack_block(blocks + (i * per_row + j) * kQ8Bytes, row.data() + j * kQ8Block);
                   copy_converted({row.data(), 1, values.cols, values.cols, Dtype::kF32},
                                  values.row_range(i, 1));
                 }
               });
}

}  // namespace falconer
