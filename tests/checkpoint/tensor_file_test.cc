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

/// Models that are there in every form.
constexpr const char* kEveryForm[] = {"models/falcon-one-layer", "models/falcon7b-tiny-h4"};

void expect_same_tensors(const std::string& base, const std::string& form) {
  const TensorFiles safe = TensorFiles::open_folder(golden(base));
  const TensorFiles other = TensorFiles::open_folder(golden(form));
  for (const auto& [key, tensor] : safe.tensors()) {
    const StoredTensor* same = other.find(key);
    ASSERT_NE(same, nullptr) << form << ": " << key;
    EXPECT_EQ(same->dtype, tensor.dtype) << form << ": " << key;
    EXPECT_EQ(same->shape, tensor.shape) << form << ": " << key;
    ASSERT_EQ(same->bytes.size(), tensor.bytes.size());
    EXPECT_EQ(std::memcmp(same->bytes.data(), tensor.bytes.data(), tensor.bytes.size()), 0)
        << form << ": " << key;
  }
}

TEST(TensorFiles, PyTorchFilesHoldTheSameBytes) {
  SKIP_WITHOUT_GOLDEN(kEveryForm[0]);
  for (const std::string base : kEveryForm)
    for (const char* form : {"-bin", "-sharded"})
      if (fs::exists(golden(base + form))) expect_same_tensors(base, base + form);
}

TEST(TensorFiles, EveryGoldenOpens) {
  SKIP_WITHOUT_GOLDEN("models");
  int files = 0, folders = 0;
  for (const fs::path& root : golden_roots()) {
    if (!fs::exists(root)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".safetensors" && extension != ".bin" && extension != ".pth") continue;
      EXPECT_FALSE(TensorFiles::open_file(entry.path()).tensors().empty()) << entry.path();
      ++files;
    }
    for (const auto& entry : fs::directory_iterator(root / "models")) {
      EXPECT_FALSE(TensorFiles::open_folder(entry.path()).tensors().empty()) << entry.path();
      ++folders;
    }
  }
  EXPECT_GT(files, 0);
  EXPECT_GT(folders, 0);
}

TEST(TensorFiles, ShardedPyTorchInBf16) {
  SKIP_WITHOUT_GOLDEN(kEveryForm[0]);
  for (const std::string base : kEveryForm) {
    const std::string form = base + "-bin-sharded-bf16";
    if (!fs::exists(golden(form))) continue;
    const TensorFiles files = TensorFiles::open_folder(golden(form));
    EXPECT_EQ(files.files().size(), 2u) << form;
    for (const auto& [key, tensor] : files.tensors()) EXPECT_EQ(tensor.dtype, Dtype::kBF16) << key;
    expect_same_tensors(base + "-bf16", form);
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

TEST(TensorFiles, RowsCanBeMeantInAnotherOrder) {
  const TempFolder folder;
  Tensor matrix(6, 3, Dtype::kF32), vector(1, 6, Dtype::kF32);
  for (int64_t i = 0; i < 18; ++i) matrix.view().row<float>(0)[i] = static_cast<float>(i);
  for (int64_t i = 0; i < 6; ++i) vector.view().row<float>(0)[i] = static_cast<float>(i);
  write_safetensors(folder / "x.safetensors",
                    {{"m", {6, 3}, matrix.view()}, {"v", {6}, vector.view()}});
  TensorFiles files = TensorFiles::open_file(folder / "x.safetensors");
  const std::vector<RowRange> order = {{4, 2}, {0, 1}, {1, 3}};
  const std::vector<float> expected = {4, 5, 0, 1, 2, 3};
  std::vector<AssembledTensor> wanted;
  for (const char* name : {"m", "v"}) {
    wanted.push_back({name, {}});
    for (const RowRange& range : order) wanted.back().pieces.push_back({name, range});
  }
  files.assemble(wanted);
  Tensor all(6, 3, Dtype::kF32), elements(1, 6, Dtype::kBF16);
  files.find("m")->copy_to(all.view());
  files.find("v")->copy_to(elements.view());
  for (int64_t i = 0; i < 6; ++i) {
    EXPECT_EQ(all.view().row<float>(i)[0], 3 * expected[i]);
    EXPECT_EQ(static_cast<float>(elements.view().row<BF16>(0)[i]), expected[i]);
  }
  for (int64_t first = 0; first < 6; ++first)
    for (int64_t count = 1; count <= 6 - first; ++count) {
      Tensor some(count, 3, Dtype::kF32);
      files.find("m")->copy_rows_to(first, some.view());
      EXPECT_EQ(some.view().row<float>(0)[2], 3 * expected[first] + 2);
      EXPECT_EQ(some.view().row<float>(count - 1)[2], 3 * expected[first + count - 1] + 2);
    }
  EXPECT_FALSE(files.find("m")->plain());
}

TEST(TensorFiles, TensorsArePutTogetherOfRowsOfOthers) {
  const TempFolder folder;
  Tensor matrix(6, 2, Dtype::kF32), norm(1, 2, Dtype::kF32), half(2, 2, Dtype::kBF16);
  for (int64_t i = 0; i < 12; ++i) matrix.view().row<float>(0)[i] = static_cast<float>(i);
  for (int64_t i = 0; i < 2; ++i) norm.view().row<float>(0)[i] = 1.5f;
  write_safetensors(folder / "x.safetensors", {{"qkv", {6, 2}, matrix.view()},
                                               {"norm", {2}, norm.view()},
                                               {"other", {6, 2}, matrix.view()},
                                               {"narrow", {2, 2}, half.view()},
                                               {"rest", {2}, norm.view()}});
  const auto opened = [&] { return TensorFiles::open_file(folder / "x.safetensors"); };
  TensorFiles files = opened();
  files.assemble({{"q", {{"qkv", {0, 3}}}},
                  {"k", {{"qkv", {3, 3}}}},
                  {"both", {{"other", {4, 2}}, {"other", {0, 4}}}},
                  {"none", {{"missing", {0, 3}}}},
                  {"w", {{"norm", {}}}, {.added = 1}}});
  ASSERT_NE(files.find("k"), nullptr);
  EXPECT_EQ(files.find("qkv"), nullptr);
  EXPECT_EQ(files.find("none"), nullptr);
  EXPECT_NE(files.find("rest"), nullptr) << "what is no piece stays";
  EXPECT_TRUE(files.find("k")->plain() && files.find("k")->mapped) << "one run stays mapped";
  EXPECT_EQ(files.find("k")->shape, (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(files.find("k")->view().row<float>(0)[0], 6);
  EXPECT_EQ(files.find("both")->byte_count(), 48u);
  Tensor out(6, 2, Dtype::kF32), shifted(1, 2, Dtype::kF32);
  files.find("both")->copy_to(out.view());
  EXPECT_EQ(out.view().row<float>(0)[0], 8);
  EXPECT_EQ(out.view().row<float>(2)[0], 0);
  files.find("w")->copy_to(shifted.view());
  EXPECT_EQ(shifted.view().row<float>(0)[1], 0.5f) << "less what was added";

  const auto refused = [&](const AssembledTensor& wanted) {
    TensorFiles again = opened();
    return message_of([&] { again.assemble({wanted}); });
  };
  expect_mentions(refused({"m", {{"qkv", {0, 5}}}}), {"qkv", "[6, 2]", "5"});
  expect_mentions(refused({"m", {{"qkv", {0, 6}}, {"missing", {0, 2}}}}), {"missing", "m"});
  expect_mentions(refused({"m", {{"qkv", {0, 6}}, {"narrow", {0, 2}}}}), {"qkv", "narrow", "bf16"});
  expect_mentions(refused({"rest", {{"qkv", {0, 6}}}}), {"two tensors", "rest"});
}

TEST(TensorFiles, NumbersInAnotherFormAndShapeAreReadAsTheyWere) {
  const TempFolder folder;
  const Tensor rates(3, 1, Dtype::kF32), damaged(3, 1, Dtype::kF32), taps(3, 2, Dtype::kF32);
  set_values(rates.view(), std::vector<float>{-1, -2.5f, -0.25f});
  set_values(damaged.view(), std::vector<float>{-1, 0, -0.25f});
  write_safetensors(
      folder / "x.safetensors",
      {{"a", {3, 1}, rates.view()}, {"b", {3, 1}, damaged.view()}, {"c", {3, 2}, taps.view()}});
  TensorFiles files = TensorFiles::open_file(folder / "x.safetensors");
  const ValueForm rate{.negative_exp = true};
  EXPECT_FLOAT_EQ(rate.stored(rate.value(-2.5f)), -2.5f);
  files.assemble({{"log", {{"a", {}}}, rate, {3}},
                  {"wrong", {{"b", {}}}, rate, {3}},
                  {"taps", {{"c", {}}}, {}, {3, 1, 2}},
                  {"other", {{"none", {}}}, {}, {4}}});
  EXPECT_EQ(files.find("log")->shape, (std::vector<int64_t>{3}));
  EXPECT_EQ(files.find("taps")->shape, (std::vector<int64_t>{3, 1, 2}));
  EXPECT_TRUE(files.find("taps")->plain());
  const Tensor read(1, 3, Dtype::kF32);
  files.find("log")->copy_to(read.view());
  EXPECT_FLOAT_EQ(read.view().row<float>(0)[0], 0);
  EXPECT_FLOAT_EQ(read.view().row<float>(0)[1], std::log(2.5f));
  EXPECT_FLOAT_EQ(read.view().row<float>(0)[2], std::log(0.25f));
  expect_mentions(message_of([&] { files.find("wrong")->copy_to(read.view()); }),
                  {"x.safetensors", "wrong", "below 0"});
}

TEST(TensorFiles, TensorsCanBeRenamed) {
  const TempFolder folder;
  const Tensor value(1, 2, Dtype::kF32);
  write_safetensors(folder / "x.safetensors", {{"a", {2}, value.view()}, {"b", {2}, value.view()}});
  TensorFiles files = TensorFiles::open_file(folder / "x.safetensors");
  files.rename({{"a", "A"}, {"none", "N"}});
  EXPECT_NE(files.find("A"), nullptr);
  EXPECT_NE(files.find("b"), nullptr);
  EXPECT_EQ(files.tensors().size(), 2u);
  EXPECT_EQ(files.find("A")->name, "A");
  expect_mentions(message_of([&] { files.rename({{"A", "b"}}); }), {"x.safetensors", "b"});
}

}  // namespace
}  // namespace falconer::test
