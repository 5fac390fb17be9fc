#include "checkpoint/safetensors.h"

#include <cstring>

#include "checkpoint/safetensors_writer.h"
#include "support/errors.h"
#include "support/temp_folder.h"
#include "tensor/buffer.h"

namespace falconer::test {
namespace {

/// A file with this header and `data` bytes behind it.
void write_raw(const std::filesystem::path& path, const std::string& header, size_t data) {
  const uint64_t length = header.size();
  std::string content(sizeof length, 0);
  std::memcpy(content.data(), &length, sizeof length);
  write_file(path, content + header + std::string(data, 1));
}

class Safetensors : public ::testing::Test {
 protected:
  std::string refused(const std::string& header, size_t data) {
    write_raw(path, header, data);
    return message_of([&] { TensorFiles::open_file(path); });
  }
  TempFolder folder;
  std::filesystem::path path = folder / "x.safetensors";
};

TEST_F(Safetensors, WritesAndReadsEveryDtype) {
  Tensor values(3, 5, Dtype::kF32);
  for (int64_t i = 0; i < 15; ++i)
    values.view().row<float>(0)[i] = static_cast<float>(i) * 0.37f - 2;
  // A column range is not contiguous: it goes out row by row.
  const View part = values.view().col_range(1, 3);
  SafetensorsWriter writer(path,
                           {{"a", Dtype::kF32, {3, 5}},
                            {"b", Dtype::kBF16, {3, 3}},
                            {"c", Dtype::kF16, {9}},
                            {"d", Dtype::kF32, {0, 4}}},
                           {{"note", "of a test"}});
  EXPECT_FALSE(std::filesystem::exists(path)) << "nothing is there before commit";
  writer.write(values.view());
  writer.write(part);
  writer.write(part);
  writer.write(View{values.view().data, 0, 4, 4, Dtype::kF32});
  writer.commit();
  const TensorFiles files = TensorFiles::open_file(path);
  EXPECT_EQ(files.metadata().at("format"), "pt");
  EXPECT_EQ(files.metadata().at("note"), "of a test");
  EXPECT_EQ(std::memcmp(files.find("a")->bytes.data(), values.view().data, 60), 0);
  EXPECT_EQ(files.find("d")->size(), 0);
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 3; ++j) {
      const float want = values.view().row<float>(i)[j + 1];
      const auto* narrow = reinterpret_cast<const BF16*>(files.find("b")->bytes.data());
      EXPECT_EQ(narrow[3 * i + j].bits, BF16(want).bits);
      const auto* half = reinterpret_cast<const F16*>(files.find("c")->bytes.data());
      EXPECT_EQ(half[3 * i + j].bits, F16(want).bits);
    }
}

TEST_F(Safetensors, ShardsHaveAnIndex) {
  Tensor values(4, 4, Dtype::kF32);
  std::memset(values.view().data, 0, 64);
  auto writer = SafetensorsWriter::sharded(
      folder.path(),
      {{"a", Dtype::kF32, {4, 4}}, {"b", Dtype::kF32, {4, 4}}, {"c", Dtype::kF32, {4, 4}}}, 130);
  for (int i = 0; i < 3; ++i) writer.write(values.view());
  writer.commit();
  EXPECT_TRUE(std::filesystem::exists(folder / "model-00001-of-00002.safetensors"));
  const TensorFiles files = TensorFiles::open_folder(folder.path());
  EXPECT_EQ(files.tensors().size(), 3u);
  EXPECT_EQ(files.find("c")->file.filename(), "model-00002-of-00002.safetensors");
}

TEST_F(Safetensors, RefusesWhatDoesNotFit) {
  const auto entry = [](const char* dtype, const char* shape, const char* offsets) {
    return fmt::format(R"({{"w":{{"dtype":"{}","shape":{},"data_offsets":{}}}}})", dtype, shape,
                       offsets);
  };
  const std::string good = entry("F32", "[2,2]", "[0,16]");
  write_raw(path, good, 16);
  EXPECT_EQ(TensorFiles::open_file(path).find("w")->shape_text(), "[2, 2]");
  expect_mentions(refused(good, 15), {"x.safetensors", "\"w\"", "15"});
  expect_mentions(refused(good, 17), {"behind its last tensor"});
  expect_mentions(refused(entry("F32", "[2,3]", "[0,16]"), 16), {"[2, 3]", "16 bytes"});
  expect_mentions(refused(entry("F32", "[-2,-2]", "[0,16]"), 16), {"\"w\""});
  expect_mentions(refused(entry("F32", "[4294967296,4294967296]", "[0,16]"), 16), {"\"w\""});
  std::string ones = "[1";
  for (int i = 0; i < 64; ++i) ones += ",1";
  expect_mentions(refused(entry("F32", (ones + "]").c_str(), "[0,4]"), 4), {"\"w\"", "65", "64"});
  expect_mentions(refused(entry("F32", "[2,2]", "[16,0]"), 16), {"\"w\""});
  expect_mentions(refused(entry("F32", "[2,2]", "[0,18446744073709551615]"), 16), {"\"w\""});
  expect_mentions(refused(entry("F32", "[2,2]", "[4,20]"), 20), {"gap"});
  expect_mentions(refused(entry("F8_E4M3", "[16]", "[0,16]"), 16), {"F8_E4M3", "\"w\""});
  expect_mentions(refused(R"({"w":{"dtype":"F32"}})", 16), {"\"w\""});
  expect_mentions(refused(R"([1])", 0), {"expected a JSON object", "array"});
  expect_mentions(refused(std::string(1000, '['), 0), {"nested"});
  expect_mentions(refused(R"({"w":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},)"
                          R"("w":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}})",
                          2),
                  {"twice"});
  expect_mentions(refused(R"({"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},)"
                          R"("b":{"dtype":"I8","shape":[2],"data_offsets":[1,3]}})",
                          3),
                  {"overlaps"});
}

TEST_F(Safetensors, MetadataMayBeNull) {
  write_raw(path, R"({"__metadata__":null,"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
            4);
  EXPECT_TRUE(TensorFiles::open_file(path).metadata().empty());
}

TEST_F(Safetensors, EveryTruncationIsAnError) {
  write_raw(path, R"({"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})", 16);
  for (uintmax_t size = std::filesystem::file_size(path); size-- > 0;) {
    std::filesystem::resize_file(path, size);
    EXPECT_THROW(TensorFiles::open_file(path), Error) << size << " bytes";
  }
}

TEST_F(Safetensors, MisalignedTensorsAreCopied) {
  // One byte before the floats: they begin at an odd address.
  std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                       R"("w":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  write_raw(path, header, 5);
  const TensorFiles files = TensorFiles::open_file(path);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(files.find("w")->bytes.data()) % 4, 0u);
  EXPECT_EQ(files.find("w")->bytes[3], std::byte{1});
}

}  // namespace
}  // namespace falconer::test
