#include "checkpoint/tensor_file.h"

#include <cstring>

#include "base/file.h"
#include "checkpoint/safetensors_writer.h"
#include "support/errors.h"
#include "support/goldens.h"
#include "support/temp_folder.h"
#include "tensor/buffer.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

TEST(TensorFiles, PyTorchFilesHoldTheSameBytes) {
  SKIP_WITHOUT_GOLDENS();
  const TensorFiles safe = TensorFiles::open_folder(goldens() / "models/falcon7b-tiny-h4");
  for (const char* name : {"falcon7b-tiny-h4-bin", "falcon7b-tiny-h4-sharded"}) {
    const TensorFiles other = TensorFiles::open_folder(goldens() / "models" / name);
    for (const auto& [key, tensor] : safe.tensors()) {
      const StoredTensor* same = other.find(key);
      ASSERT_NE(same, nullptr) << key;
      EXPECT_EQ(same->shape, tensor.shape);
      ASSERT_EQ(same->bytes.size(), tensor.bytes.size());
      EXPECT_EQ(std::memcmp(same->bytes.data(), tensor.bytes.data(), tensor.bytes.size()), 0)
          << key;
    }
  }
}

TEST(TensorFiles, EveryGoldenOpens) {
  SKIP_WITHOUT_GOLDENS();
  int files = 0, folders = 0;
  for (const auto& entry : fs::recursive_directory_iterator(goldens())) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".safetensors" && extension != ".bin" && extension != ".pth") continue;
    EXPECT_FALSE(TensorFiles::open_file(entry.path()).tensors().empty()) << entry.path();
    ++files;
  }
  for (const auto& entry : fs::directory_iterator(goldens() / "models")) {
    EXPECT_FALSE(TensorFiles::open_folder(entry.path()).tensors().empty()) << entry.path();
    ++folders;
  }
  EXPECT_GT(files, 0);
  EXPECT_GT(folders, 0);
}

TEST(TensorFiles, ShardedPyTorchInBf16) {
  SKIP_WITHOUT_GOLDENS();
  const TensorFiles files =
      TensorFiles::open_folder(goldens() / "models/falcon7b-tiny-h4-bin-sharded-bf16");
  EXPECT_EQ(files.files().size(), 2u);
  const TensorFiles safe = TensorFiles::open_folder(goldens() / "models/falcon7b-tiny-h4-bf16");
  for (const auto& [key, tensor] : safe.tensors()) {
    const StoredTensor* same = files.find(key);
    ASSERT_NE(same, nullptr) << key;
    EXPECT_EQ(same->dtype, Dtype::kBF16);
    EXPECT_EQ(same->shape, tensor.shape);
    ASSERT_EQ(same->bytes.size(), tensor.bytes.size());
    EXPECT_EQ(std::memcmp(same->bytes.data(), tensor.bytes.data(), tensor.bytes.size()), 0) << key;
  }
}

void write_one(const fs::path& path, const std::string& name) {
  Tensor value(1, 2, Dtype::kF32);
  std::memset(value.view().data, 0, 8);
  write_safetensors(path, {{name, {2}, value.view()}});
}

class Shards : public ::testing::Test {
 protected:
  std::string refused(const std::string& weight_map) {
    write_file(folder / "model.safetensors.index.json", "{\"weight_map\":" + weight_map + "}");
    return message_of([&] { TensorFiles::open_folder(folder.path()); });
  }
  void SetUp() override {
    write_one(folder / "1.safetensors", "a");
    write_one(folder / "2.safetensors", "b");
  }
  TempFolder folder;
};

TEST_F(Shards, TheIndexAndTheShardsMustAgree) {
  expect_mentions(refused(R"({"a":"1.safetensors","b":"3.safetensors"})"),
                  {"3.safetensors", "missing"});
  expect_mentions(refused(R"({"a":"1.safetensors","c":"2.safetensors"})"), {"\"c\"", "lacks"});
  expect_mentions(refused(R"({"a":"2.safetensors","b":"1.safetensors"})"), {"but it is in"});
  expect_mentions(refused(R"({"a":1})"), {"\"a\""});
  expect_mentions(refused("{}"), {"lists no tensors"});
  expect_mentions(refused(R"({"a":"1.safetensors","a":"2.safetensors"})"),
                  {"\"a\" is there twice"});
  expect_mentions(refused(R"({"a":)" + std::string(100'000, '[')), {"index.json", "nested"});
  expect_mentions(refused("[]"), {"weight_map"});
}

TEST_F(Shards, AShardHoldsNothingThatTheIndexDoesNotList) {
  const Tensor value(1, 2, Dtype::kF32);
  write_safetensors(folder / "2.safetensors", {{"b", {2}, value.view()}, {"c", {2}, value.view()}});
  expect_mentions(refused(R"({"a":"1.safetensors","b":"2.safetensors"})"),
                  {"2.safetensors", "\"c\"", "index.json"});
}

TEST_F(Shards, TheIndexCannotLeaveTheFolder) {
  const std::string long_name = std::string(5000, 'a') + ".safetensors";
  expect_mentions(refused(R"({"a":")" + long_name + R"("})"), {"missing"});
  for (const char* name : {"../1.safetensors", "/etc/passwd", "sub/1.safetensors", "..", "", ".",
                           "1.safetensors\\u0000", "a\\nb"})
    expect_mentions(refused(fmt::format(R"({{"a":"{}"}})", name)), {"index.json"});
}

TEST_F(Shards, ATensorInTwoShardsIsAnError) {
  write_one(folder / "2.safetensors", "a");
  expect_mentions(refused(R"({"a":"1.safetensors","b":"2.safetensors"})"), {"\"a\"", "too"});
}

TEST(TensorFiles, SaysWhatIsMissing) {
  const TempFolder folder;
  expect_mentions(message_of([&] { TensorFiles::open_folder(folder.path()); }),
                  {"model.safetensors", "pytorch_model.bin"});
  write_file(folder / "model.safetensors", "version https://git-lfs.github.com/spec/v1\n");
  expect_mentions(message_of([&] { TensorFiles::open_folder(folder.path()); }), {"Git LFS"});
  write_file(folder / "old.bin", "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.");
  expect_mentions(message_of([&] { TensorFiles::open_file(folder / "old.bin"); }),
                  {"old.bin", "before 1.6", "torch.save"});
  write_file(folder / "old.bin", "<html>");
  expect_mentions(message_of([&] { TensorFiles::open_file(folder / "old.bin"); }), {"zip"});
  expect_mentions(message_of([&] { TensorFiles::open_file(folder / "none.bin"); }), {"none.bin"});
  expect_mentions(message_of([&] { TensorFiles::open_folder(folder / "none"); }), {"not a folder"});
}

TEST(TensorFiles, TheNameOfAFileDoesNotMatter) {
  const TempFolder folder;
  write_one(folder / "pytorch_model.bin", "a");
  EXPECT_NE(TensorFiles::open_folder(folder.path()).find("a"), nullptr);
}

}  // namespace
}  // namespace falconer::test
