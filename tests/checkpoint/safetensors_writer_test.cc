#include "checkpoint/safetensors_writer.h"

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "checkpoint/tensor_file.h"
#include "support/errors.h"
#include "support/temp_folder.h"
#include "tensor/buffer.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

/// Numbers that do not fit into 16 bits, ties of bf16 among them.
Tensor numbers(int64_t rows, int64_t cols) {
  Tensor tensor(rows, cols, Dtype::kF32);
  for (int64_t i = 0; i < rows * cols; ++i)
    tensor.view().row<float>(0)[i] =
        i % 3 == 0 ? 1 + static_cast<float>(i % 257) / 256 : 0.1f * static_cast<float>(i % 1009);
  return tensor;
}

/// The header's text and where the data begins.
std::pair<nlohmann::ordered_json, size_t> header_of(const fs::path& path) {
  const std::string content = read_text_file(path);
  uint64_t length = 0;
  std::memcpy(&length, content.data(), sizeof length);
  return {nlohmann::ordered_json::parse(content.substr(8, length)), 8 + length};
}

TEST(SafetensorsWriter, EveryDtypeComesBackBitForBit) {
  const TempFolder folder;
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16, Dtype::kF16, Dtype::kF64, Dtype::kI64,
                            Dtype::kI32, Dtype::kI16, Dtype::kI8, Dtype::kU8, Dtype::kBool}) {
    Tensor tensor(3, 5, dtype);
    for (size_t i = 0; i < tensor.view().bytes(); ++i)
      tensor.view().at(0)[i] = static_cast<std::byte>(dtype == Dtype::kBool ? i % 2 : i);
    write_safetensors(folder / "x.safetensors", {{"x", {3, 5}, tensor.view()}});
    const TensorFiles files = TensorFiles::open_file(folder / "x.safetensors");
    EXPECT_EQ(files.find("x")->dtype, dtype);
    ASSERT_EQ(files.find("x")->bytes.size(), tensor.view().bytes());
    EXPECT_EQ(std::memcmp(files.find("x")->bytes.data(), tensor.view().data, tensor.view().bytes()),
              0)
        << name_of(dtype);
  }
}

TEST(SafetensorsWriter, KeepsTheOrderAndPadsTheHeader) {
  const TempFolder folder;
  const fs::path path = folder / "x.safetensors";
  for (int extra = 0; extra < 9; ++extra) {
    const Tensor value = numbers(1, 3);
    const std::string last = "a" + std::string(static_cast<size_t>(extra), 'a');
    write_safetensors(path, {{"z", {3}, value.view()}, {last, {3, 1}, value.view()}},
                      {{"note", "\xff is not UTF-8"}});
    const auto [header, data] = header_of(path);
    EXPECT_EQ(data % 8, 0u);
    EXPECT_EQ(header["__metadata__"]["format"], "pt");
    EXPECT_EQ(header["z"]["data_offsets"], (std::vector<int>{0, 12}));
    EXPECT_EQ(header[last]["data_offsets"], (std::vector<int>{12, 24}));
    EXPECT_EQ(header[last]["shape"], (std::vector<int>{3, 1}));
    EXPECT_EQ(TensorFiles::open_file(path).tensors().size(), 2u);
  }
}

// Larger than one piece, in rows, in one long row, and in rows that are long and apart.
TEST(SafetensorsWriter, ConvertsLargeTensorsInPieces) {
  const TempFolder folder;
  const fs::path path = folder / "x.safetensors";
  const int64_t many = (16 << 20) / 2 + 12345;
  const Tensor wide = numbers(2, many + 7);
  const Tensor tall = numbers(many / 100, 101);
  const View parts[] = {tall.view(), tall.view().col_range(1, 99), wide.view().row_range(0, 1),
                        wide.view().col_range(3, many)};
  for (const View& part : parts) {
    SafetensorsWriter writer(path, {{"x", Dtype::kBF16, {part.rows, part.cols}}});
    writer.write(part);
    writer.commit();
    const TensorFiles files = TensorFiles::open_file(path);
    const auto* got = reinterpret_cast<const BF16*>(files.find("x")->bytes.data());
    int64_t wrong = 0;
    for (int64_t i = 0; i < part.rows; ++i)
      for (int64_t j = 0; j < part.cols; ++j, ++got)
        wrong += got->bits != BF16(part.row<float>(i)[j]).bits;
    EXPECT_EQ(wrong, 0) << part.rows << " x " << part.cols;
  }
}

TEST(SafetensorsWriter, ShardsAsHuggingFaceDoes) {
  const TempFolder folder;
  const Tensor value = numbers(4, 4);  // 64 bytes in f32
  std::vector<TensorSpec> specs;
  for (const char* name : {"e", "d", "c", "b", "a"}) specs.push_back({name, Dtype::kF32, {4, 4}});
  specs.push_back({"large", Dtype::kF32, {4, 4, 1}});
  auto writer = SafetensorsWriter::sharded(folder.path(), specs, 128);
  for (size_t i = 0; i < specs.size(); ++i) writer.write(value.view());
  EXPECT_FALSE(fs::exists(folder / "model-00001-of-00003.safetensors"));
  writer.commit();
  EXPECT_EQ(folder.entries(), 4u) << "three shards, one index, nothing partial";
  const auto index = nlohmann::json::parse(read_text_file(folder / "model.safetensors.index.json"));
  EXPECT_EQ(index["metadata"]["total_size"], 6 * 64);
  EXPECT_EQ(index["weight_map"]["e"], "model-00001-of-00003.safetensors");
  EXPECT_EQ(index["weight_map"]["c"], "model-00002-of-00003.safetensors");
  EXPECT_EQ(index["weight_map"]["large"], "model-00003-of-00003.safetensors");
  const TensorFiles files = TensorFiles::open_folder(folder.path());
  EXPECT_EQ(files.tensors().size(), 6u);
  for (const auto& [name, tensor] : files.tensors())
    EXPECT_EQ(std::memcmp(tensor.bytes.data(), value.view().data, 64), 0) << name;
}

TEST(SafetensorsWriter, OneShardIsASingleFile) {
  const TempFolder folder;
  const Tensor value = numbers(4, 4);
  auto writer = SafetensorsWriter::sharded(folder.path(), {{"a", Dtype::kF32, {16}}}, 8);
  writer.write(value.view().reshape(1, 16));
  writer.commit();
  EXPECT_EQ(folder.entries(), 1u);
  EXPECT_EQ(TensorFiles::open_folder(folder.path()).find("a")->shape_text(), "[16]");
}

TEST(SafetensorsWriter, LeavesNothingBehindWithoutCommit) {
  const TempFolder folder;
  const Tensor value = numbers(4, 4);
  write_safetensors(folder / "x.safetensors", {{"old", {4, 4}, value.view()}});
  {
    SafetensorsWriter writer(folder / "x.safetensors", {{"new", Dtype::kF32, {4, 4}}});
    writer.write(value.view());
  }
  EXPECT_EQ(folder.entries(), 1u);
  EXPECT_NE(TensorFiles::open_file(folder / "x.safetensors").find("old"), nullptr);
}

TEST(SafetensorsWriter, WrongUseIsFound) {
  const TempFolder folder;
  const fs::path path = folder / "x.safetensors";
  const Tensor value = numbers(2, 2);
  const TensorSpec spec{"x", Dtype::kF32, {2, 2}};
  EXPECT_THROW(SafetensorsWriter(path, {spec, spec}), InternalError);
  EXPECT_THROW(SafetensorsWriter(path, {{"__metadata__", Dtype::kF32, {2, 2}}}), InternalError);
  SafetensorsWriter writer(path, {spec});
  EXPECT_THROW(writer.commit(), InternalError) << "a tensor is missing";
  writer.write(value.view().row_range(0, 1));
  EXPECT_THROW(writer.commit(), InternalError) << "half of it is missing";
  EXPECT_THROW(writer.write(value.view()), InternalError) << "too large";
}

TEST(SafetensorsWriter, ATensorMayComeInBandsOfRows) {
  const TempFolder folder;
  const Tensor value = numbers(9, 5);
  auto writer = SafetensorsWriter::sharded(
      folder.path(), {{"a", Dtype::kBF16, {9, 5}}, {"b", Dtype::kF32, {9, 5}}}, 100);
  for (int tensor = 0; tensor < 2; ++tensor)
    for (const auto& [begin, count] : {std::pair(0, 4), std::pair(4, 1), std::pair(5, 4)})
      writer.write(value.view().row_range(begin, count));
  writer.commit();
  const TensorFiles files = TensorFiles::open_folder(folder.path());
  EXPECT_EQ(std::memcmp(files.find("b")->bytes.data(), value.view().data, value.view().bytes()), 0);
  for (int64_t i = 0; i < value.view().size(); ++i)
    EXPECT_EQ(files.find("a")->view().row<BF16>(0)[i].bits,
              BF16(value.view().row<float>(0)[i]).bits);
}

TEST(SafetensorsWriter, WhatF16CannotHoldIsAnError) {
  const TempFolder folder;
  Tensor value = numbers(3, 5);
  value.view().row<float>(2)[1] = 65520;  // rounds to what would be 65536
  SafetensorsWriter writer(folder / "x.safetensors", {{"large", Dtype::kF16, {3, 5}}});
  expect_mentions(message_of([&] { writer.write(value.view()); }),
                  {"large", "65520", "65504", "bf16"});
  value.view().row<float>(2)[1] = 65519;  // rounds to 65504
  SafetensorsWriter fits(folder / "x.safetensors", {{"large", Dtype::kF16, {3, 5}}});
  fits.write(value.view());
  value.view().row<float>(2)[1] = INFINITY;  // infinite already
  SafetensorsWriter infinite(folder / "y.safetensors", {{"large", Dtype::kF16, {3, 5}}});
  infinite.write(value.view());
}

TEST(SafetensorsWriter, SaysWhereItCannotWrite) {
  const TempFolder folder;
  expect_mentions(message_of([&] { SafetensorsWriter(folder / "no" / "x.safetensors", {}); }),
                  {"x.safetensors", "No such file"});
}

}  // namespace
}  // namespace falconer::test
