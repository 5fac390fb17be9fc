#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "support/paths.h"
#include "tensor/arena.h"
#include "tensor/blocks/format.h"
#include "tensor/buffer.h"
#include "tensor/finite.h"

namespace falconer::test {
namespace {

// As block_formats.py makes them.
constexpr int64_t kDecodedBlocks = 2048, kEncodedRows = 640;

uint64_t mixed_bits(uint64_t i, uint64_t seed) {
  uint64_t z = (i + (seed << 32)) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

std::vector<std::byte> random_bytes(size_t count, uint64_t seed = 3) {
  std::vector<std::byte> bytes((count + 7) / 8 * 8);
  for (size_t i = 0; i < bytes.size() / 8; ++i) {
    const uint64_t bits = mixed_bits(i, seed);
    std::memcpy(bytes.data() + 8 * i, &bits, sizeof bits);
  }
  bytes.resize(count);
  return bytes;
}

float bell(uint64_t i, uint64_t seed) {
  const uint64_t bits = mixed_bits(i, seed);
  int64_t sum = -131070;
  for (int part = 0; part < 4; ++part) sum += static_cast<int64_t>(bits >> (16 * part) & 0xffff);
  return static_cast<float>(sum) / (1 << 17);
}

/// Rows of 256: usual weights, and what is at the edges of formats.
std::vector<float> edge_values() {
  std::vector<float> values(kEncodedRows * 256);
  for (size_t row = 0; row < kEncodedRows; ++row)
    for (size_t i = 0; i < 256; ++i) {
      const float x = bell(row * 256 + i, 7);
      const float kinds[] = {x * 0x1p-5f, x * 0x1p-5f, x * 0x1p-5f, 0,         -0.0f,
                             0,           0.375f,      x * 0x1p10f, x * x * x, x * 0x1p-30f};
      values[row * 256 + i] = row % 10 == 5 && i == 77 ? x : kinds[row % 10];
    }
  return values;
}

/// Normal, or with long tails.
std::vector<float> usual_values(bool tails) {
  std::vector<float> values;
  for (uint64_t row = tails ? 1 : 0; row < 512; row += 2)
    for (uint64_t i = 0; i < 256; ++i) {
      const float x = bell(row * 256 + i, 11);
      values.push_back(tails ? x * x * x : x);
    }
  return values;
}

std::vector<std::byte> encoded(const BlockFormat& format, const std::vector<float>& values,
                               const float* importance = nullptr) {
  std::vector<std::byte> blocks(bytes_of(format.dtype, std::ssize(values)));
  const int64_t per_row = 256 / format.block();
  for (int64_t row = 0; row < std::ssize(values) / 256; ++row)
    format.encode(values.data() + row * 256, per_row,
                  importance == nullptr ? nullptr : importance + row * 256,
                  blocks.data() + row * per_row * format.bytes());
  return blocks;
}

std::vector<float> decoded(const BlockFormat& format, const std::vector<std::byte>& blocks) {
  const auto count = std::ssize(blocks) / format.bytes();
  std::vector<float> values(static_cast<size_t>(count * format.block()));
  format.decode(blocks.data(), count, values.data());
  return values;
}

/// Root of the mean square of what a format changes, over that of the values.
double error_of(const BlockFormat& format, const std::vector<float>& values,
                const float* importance = nullptr, const float* weights = nullptr) {
  const std::vector<float> back = decoded(format, encoded(format, values, importance));
  double off = 0, all = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double x = values[i], y = back[i], w = weights == nullptr ? 1 : weights[i];
    off += w * (x - y) * (x - y);
    all += w * x * x;
  }
  return std::sqrt(off / all);
}

template <class T>
std::string hash_of(const std::vector<T>& values) {
  Digest digest = Digest::sha256();
  digest.update(std::span<const T>(values));
  return digest.finish();
}

/// Bits, of which those of every NaN are the same.
std::vector<uint32_t> bits_of(const std::vector<float>& values) {
  std::vector<uint32_t> bits;
  for (const float x : values)
    bits.push_back(std::isnan(x) ? 0x7fc00000u : std::bit_cast<uint32_t>(x));
  return bits;
}

const nlohmann::json& golden_formats() {
  static const nlohmann::json golden = nlohmann::json::parse(
      read_text_file(std::filesystem::path(source_dir()) / "tests/golden/block_formats.json"));
  return golden;
}

class EveryFormat : public ::testing::TestWithParam<const BlockFormat*> {
 protected:
  const BlockFormat& format = *GetParam();
  const nlohmann::json& golden = golden_formats().at(std::string(format.name()));
  std::vector<std::byte> random(int64_t blocks) const {
    return random_bytes(static_cast<size_t>(blocks * format.bytes()));
  }
};

TEST_P(EveryFormat, BlocksAreWorthWhatTheReferenceSays) {
  EXPECT_EQ(hash_of(bits_of(decoded(format, random(kDecodedBlocks)))), golden.at("decode"));
}

TEST_P(EveryFormat, CodesSayWhatBlocksAreWorth) {
  const BlockCodes& codes = format.codes;
  ASSERT_TRUE(codes.group == 16 || codes.group == 32 || codes.group == 64);
  const int64_t count = 64, groups = count * format.block() / codes.group;
  const std::vector<std::byte> blocks = random(count);
  const std::vector<float> want = decoded(format, blocks);
  std::vector<int8_t> q(want.size());
  std::vector<float> scales(static_cast<size_t>(groups)), minimums(codes.minimums ? groups : 0);
  codes.load(blocks.data(), count, q.data(), scales.data(),
             codes.minimums ? minimums.data() : nullptr);
  for (size_t i = 0; i < want.size(); ++i) {
    const size_t group = i / static_cast<size_t>(codes.group);
    EXPECT_TRUE(q[i] >= codes.lowest && q[i] <= codes.most) << static_cast<int>(q[i]);
    float value =
        scales[group] * (codes.table == nullptr ? static_cast<float>(q[i]) : codes.table[q[i]]);
    if (codes.minimums) value -= minimums[group];
    if (format.dtype == Dtype::kInt8) {  // which is rounded once more on its way
      const float bound = 2.5e-7f * std::fabs(want[i]) + 1e-37f;
      EXPECT_TRUE(!std::isfinite(want[i]) || std::fabs(value - want[i]) <= bound) << i;
    } else {
      ASSERT_TRUE(value == want[i] || (std::isnan(value) && std::isnan(want[i]))) << i;
    }
  }
}

// What a reader relies on, which looks for a bad scale among the numbers.
TEST_P(EveryFormat, AScaleThatIsNoneLeavesNoNumber) {
  std::vector<std::byte> block(static_cast<size_t>(format.bytes()));
  for (size_t at = 0; at < block.size(); ++at) {
    block.assign(block.size(), std::byte{0});
    block[at] = std::byte{0xff};
    if (at + 1 < block.size()) block[at + 1] = std::byte{0x7f};
    const std::vector<float> values = decoded(format, block);
    std::vector<int8_t> q(values.size());
    float scales[16], minimums[16] = {};
    format.codes.load(block.data(), 1, q.data(), scales, minimums);
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t group = i / static_cast<size_t>(format.codes.group);
      const bool scaled = std::isfinite(scales[group]) && std::isfinite(minimums[group]);
      EXPECT_TRUE(scaled || !std::isfinite(values[i])) << at << " " << i;
    }
  }
}

TEST_P(EveryFormat, IsFoundByNameAndNumber) {
  EXPECT_EQ(&block_format(format.dtype), &format);
  EXPECT_EQ(block_format_named(format.name()), &format);
  EXPECT_EQ(label_of(format.dtype), format.label);
  if (format.ggml >= 0) {
    EXPECT_EQ(block_format_of_ggml(static_cast<uint32_t>(format.ggml)), &format);
  }
  EXPECT_EQ(format.block() % format.codes.group, 0);
  EXPECT_EQ(1024 % format.block(), 0) << "copies are made of so many numbers at a time";
}

TEST_P(EveryFormat, IsCopiedLikeEveryDtype) {
  // Rows of 512 in rows of 768: what runs over the gap would show.
  std::vector<std::byte> memory = random(3 * 768 / format.block());
  for (int64_t row = 0; row < 3 && format.encode != nullptr; ++row) {
    std::vector<float> numbers(768);
    for (size_t i = 0; i < numbers.size(); ++i)
      numbers[i] = bell(i, 5 + static_cast<uint64_t>(row));
    format.encode(numbers.data(), 768 / format.block(), nullptr,
                  memory.data() + bytes_of(format.dtype, row * 768));
  }
  const View blocks{memory.data(), 3, 512, 768, format.dtype};
  const std::vector<float> all = decoded(format, memory), got = host_values(blocks);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_EQ(std::memcmp(&got[i * 512], &all[i * 768], 512 * sizeof(float)), 0);
  const Tensor narrow(3, 512, Dtype::kBF16), wide(3, 512, Dtype::kF64), same(3, 512, format.dtype);
  copy_converted(blocks, narrow.view());
  copy_converted(blocks, wide.view());
  copy_converted(blocks, same.view());
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 512; ++j) {
      const float x = got[static_cast<size_t>(i * 512 + j)];
      if (std::isnan(x)) continue;
      EXPECT_EQ(narrow.view().row<BF16>(i)[j].bits, BF16(x).bits);
      EXPECT_EQ(wide.view().row<double>(i)[j], static_cast<double>(x));
    }
  for (int64_t i = 0; i < 3; ++i)
    EXPECT_EQ(std::memcmp(same.view().at(i), blocks.at(i), bytes_of(format.dtype, 512)), 0);
}

TEST_P(EveryFormat, IsWrittenOrRefused) {
  const std::vector<float> values = edge_values();
  const View numbers{const_cast<float*>(values.data()), kEncodedRows, 256, 256, Dtype::kF32};
  const Tensor blocks(kEncodedRows, 256, format.dtype);
  if (format.encode == nullptr) {
    EXPECT_THROW(copy_converted(numbers, blocks.view()), InternalError);
    return;
  }
  copy_converted(numbers, blocks.view());
  const std::vector<std::byte> want = encoded(format, values);
  EXPECT_EQ(std::memcmp(blocks.view().data, want.data(), want.size()), 0);
  // Out of another dtype, by way of f32.
  const Tensor narrow(kEncodedRows, 256, Dtype::kF16), again(kEncodedRows, 256, format.dtype);
  copy_converted(numbers, narrow.view());
  copy_converted(narrow.view(), again.view());
  const std::vector<std::byte> rounded = encoded(format, host_values(narrow.view()));
  EXPECT_EQ(std::memcmp(again.view().data, rounded.data(), rounded.size()), 0);
}

TEST_P(EveryFormat, ZeroStaysZeroAndWhatIsTooLargeIsSeen) {
  if (format.encode == nullptr) return;
  const std::vector<float> zeros(256), back = decoded(format, encoded(format, zeros));
  for (const float x : back) EXPECT_EQ(x, 0.0f);
  if (block_format_named("mxfp4") == &format || format.ggml < 0)
    return;  // their scales end where f32 does
  std::vector<float> large(256, 1.0f);
  large[100] = 3e38f;
  const std::vector<std::byte> blocks = encoded(format, large);
  EXPECT_TRUE(first_not_finite({const_cast<std::byte*>(blocks.data()), 1, 256, 256, format.dtype}));
}

std::string name_of_format(const ::testing::TestParamInfo<const BlockFormat*>& info) {
  return std::string(info.param->name());
}
INSTANTIATE_TEST_SUITE_P(Blocks, EveryFormat,
                         ::testing::ValuesIn(block_formats().begin(), block_formats().end()),
                         name_of_format);

TEST(BlockFormats, NumbersBecomeTheBlocksOfTheReference) {
  int count = 0;
  for (const auto& [name, golden] : golden_formats().items()) {
    if (!golden.contains("encode")) continue;  // nobody else writes it by a rule
    ++count;
    EXPECT_EQ(hash_of(encoded(*block_format_named(name), edge_values())), golden.at("encode"))
        << name;
  }
  EXPECT_EQ(count, 9);
}

TEST(BlockSearch, IsNoWorseThanLlamaCpps) {
  int count = 0;
  for (const auto& [name, golden] : golden_formats().items()) {
    if (!golden.contains("error")) continue;  // it is not searched
    ++count;
    for (const bool tails : {false, true})
      EXPECT_LE(error_of(*block_format_named(name), usual_values(tails)),
                golden.at("error").at(tails ? 1 : 0))
          << name << " " << tails;
  }
  EXPECT_EQ(count, 6);
}

TEST(BlockSearch, ImportanceBuysAccuracyWhereItIs) {
  const std::vector<float> values = usual_values(false);
  std::vector<float> importance(values.size());
  for (size_t i = 0; i < importance.size(); ++i)
    importance[i] = std::exp(4 * bell(i, 23)) * (i % 11 == 0 ? 20.0f : 1.0f);
  for (const char* name :
       {"q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl"}) {
    const BlockFormat& format = *block_format_named(name);
    const double with = error_of(format, values, importance.data(), importance.data());
    const double without = error_of(format, values, nullptr, importance.data());
    EXPECT_LT(with, 0.97 * without) << name;
  }
}

TEST(BlockSearch, WhatCountsNothingIsStillWritten) {
  const std::vector<float> values = usual_values(true), nothing(values.size());
  for (const BlockFormat* format : block_formats()) {
    if (format->encode == nullptr) continue;
    EXPECT_LT(error_of(*format, values, nothing.data()), 0.8) << format->label;
  }
}

TEST(BlockView, RowsAreWholeBlocks) {
  std::vector<std::byte> memory(4 * 3 * 18);
  const View view{memory.data(), 4, 64, 96, Dtype::kQ4_0};  // 64 of 96
  EXPECT_EQ(view.size(), 256);
  EXPECT_EQ(view.bytes(), 8u * 18);
  EXPECT_FALSE(view.contiguous());
  EXPECT_EQ(view.at(2, 32), memory.data() + 2 * 54 + 18);
  EXPECT_EQ(view.row_range(1, 2).data, memory.data() + 54);
  const View right = view.col_range(32, 32);
  EXPECT_EQ(right.data, memory.data() + 18);
  EXPECT_EQ(right.at(3), memory.data() + 3 * 54 + 18);
  EXPECT_THROW(view.col_range(16, 32), InternalError);
  EXPECT_THROW(view.col_range(0, 48), InternalError);
  EXPECT_THROW(view.as<float>(), InternalError);
  const View whole{memory.data(), 4, 96, 96, Dtype::kQ4_0};
  EXPECT_EQ(whole.bytes(), memory.size());
  EXPECT_EQ(whole.reshape(2, 192).at(1), memory.data() + 6 * 18);
  EXPECT_THROW(whole.reshape(8, 48), InternalError);
  EXPECT_THROW(static_cast<void>(size_of(Dtype::kQ4_0)), InternalError);
}

TEST(BlockView, ArenasHaveRoomForBlocks) {
  Arena counted;
  EXPECT_EQ(counted.push(3, 512, Dtype::kQ4_K).bytes(), 6u * 144);
  EXPECT_GE(counted.high_water(), 6u * 144);
  EXPECT_LT(counted.high_water(), 7u * 144);
  EXPECT_THROW(counted.push(3, 100, Dtype::kQ4_K), InternalError);
}

TEST(BlockView, ABadScaleIsFoundWhereItIs) {
  Tensor numbers(3, 96, Dtype::kF32), blocks(3, 96, Dtype::kQ8_0);
  for (int64_t i = 0; i < 288; ++i)
    numbers.view().row<float>(0)[i] = bell(static_cast<uint64_t>(i), 2);
  copy_converted(numbers.view(), blocks.view());
  EXPECT_FALSE(first_not_finite(blocks.view()));
  F16 bad;
  bad.bits = 0x7e00;
  std::memcpy(blocks.view().at(1, 64), &bad.bits, sizeof bad.bits);
  const auto found = first_not_finite(blocks.view());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->row, 1);
  EXPECT_EQ(found->col, 64);
  EXPECT_TRUE(std::isnan(found->value));
}

}  // namespace
}  // namespace falconer::test
