#include "checkpoint/gguf.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "checkpoint/gguf_writer.h"
#include "support/errors.h"
#include "support/temp_folder.h"
#include "support/torch_file.h"
#include "tensor/blocks/format.h"
#include "tensor/buffer.h"

namespace falconer::test {
namespace {

std::string text_of(const std::string& text) {
  return bytes_of(static_cast<uint64_t>(text.size())) + text;
}

/// A file spelled field by field.
struct Spelled {
  uint32_t version = 3;
  uint64_t tensors = 0, keys = 0;
  std::string metadata, infos, data;

  void key(const std::string& name, uint32_t kind, const std::string& value) {
    metadata += text_of(name) + bytes_of(kind) + value;
    ++keys;
  }
  void tensor(const std::string& name, const std::vector<uint64_t>& sizes, uint32_t type,
              uint64_t offset) {
    infos += text_of(name) + bytes_of(static_cast<uint32_t>(sizes.size())) + bytes_of(sizes) +
             bytes_of(type) + bytes_of(offset);
    ++tensors;
  }
  std::string bytes(size_t alignment = 32) const {
    std::string all =
        "GGUF" + bytes_of(version) + bytes_of(tensors) + bytes_of(keys) + metadata + infos;
    if (!data.empty()) all.append((alignment - all.size() % alignment) % alignment, '\0');
    return all + data;
  }
};

class GgufTest : public ::testing::Test {
 protected:
  Gguf open(const std::string& bytes) {
    write_file(path, bytes);
    return Gguf::open(path);
  }
  std::string refused(const std::string& bytes) {
    return message_of([&] { open(bytes); });
  }
  std::string refused(const Spelled& spelled) { return refused(spelled.bytes()); }

  TempFolder folder;
  std::filesystem::path path = folder / "x.gguf";
};

GgufMetadata some_metadata() {
  GgufMetadata metadata;
  metadata.add("general.architecture", "falcon");
  metadata.add("a.number", uint32_t{7});
  metadata.add("a.float", 0.5f);
  metadata.add("a.flag", true);
  metadata.add("a.list", std::vector<std::string>{"one", "", "three\xff"});
  metadata.add("a.types", std::vector<int32_t>{1, -3, 5});
  return metadata;
}

TEST_F(GgufTest, WhatIsWrittenIsRead) {
  Tensor values(4, 64, Dtype::kF32), vector(1, 3, Dtype::kF32);
  for (int64_t i = 0; i < 256; ++i) values.view().row<float>(0)[i] = static_cast<float>(i) / 8;
  for (int64_t i = 0; i < 3; ++i) vector.view().row<float>(0)[i] = static_cast<float>(i);
  std::vector<TensorSpec> specs = {{"v", Dtype::kF32, {3}},
                                   {"f32", Dtype::kF32, {4, 64}},
                                   {"f16", Dtype::kF16, {4, 64}},
                                   {"bf16", Dtype::kBF16, {4, 64}},
                                   {"q", Dtype::kQ8_0, {4, 64}}};
  GgufWriter writer(path, specs, some_metadata());
  writer.write(vector.view());
  for (int i = 0; i < 4; ++i) {
    writer.write(values.view().row_range(0, 1));
    writer.write(values.view().row_range(1, 3));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.commit();

  const Gguf gguf = Gguf::open(path);
  EXPECT_EQ(gguf.text("general.architecture"), "falcon");
  EXPECT_EQ(gguf.integer("a.number"), 7);
  EXPECT_EQ(gguf.number("a.float"), 0.5);
  EXPECT_EQ(gguf.number("a.number"), 7);
  EXPECT_EQ(gguf.find("a.flag")->integer, 1);
  ASSERT_EQ(gguf.texts("a.list").size(), 3u);
  EXPECT_EQ(gguf.texts("a.list")[2], "three\xff");
  EXPECT_EQ(gguf.find("a.types")->integer_at(1), -3);
  EXPECT_EQ(gguf.integer("none", 5), 5);
  EXPECT_EQ(gguf.metadata().size(), 6u);

  const TensorFiles files = TensorFiles::open_file(path);
  ASSERT_EQ(files.tensors().size(), 5u);
  for (const TensorSpec& spec : specs) {
    const StoredTensor& found = *files.find(spec.name);
    EXPECT_EQ(found.shape, spec.shape);
    EXPECT_EQ(found.dtype, spec.dtype);
    EXPECT_TRUE(found.mapped);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(found.bytes.data()) % 32, 0u);
    if (spec.name == "v") continue;
    Tensor back(4, 64, Dtype::kF32);
    found.copy_to(back.view());
    for (int64_t i = 0; i < 256; ++i)
      EXPECT_NEAR(back.view().row<float>(0)[i], values.view().row<float>(0)[i],
                  is_blocks(spec.dtype) ? 0.13 : 0.07);
  }
}

TEST_F(GgufTest, RowsOfBlocksAreReadAloneToo) {
  Tensor values(5, 64, Dtype::kF32), all(5, 64, Dtype::kF32), some(2, 64, Dtype::kF32);
  for (int64_t i = 0; i < 320; ++i) values.view().row<float>(0)[i] = static_cast<float>(i % 77);
  GgufWriter writer(path, {{"q", Dtype::kQ8_0, {5, 64}}}, {});
  writer.write(values.view());
  writer.commit();
  const TensorFiles files = TensorFiles::open_file(path);
  files.find("q")->copy_to(all.view());
  files.find("q")->copy_rows_to(3, some.view());
  EXPECT_EQ(std::memcmp(some.view().data, all.view().at(3), some.view().bytes()), 0);
  const View blocks = files.find("q")->view();  // where they lie
  EXPECT_EQ(blocks.dtype, Dtype::kQ8_0);
  EXPECT_EQ(static_cast<const std::byte*>(blocks.data), files.find("q")->bytes.data());
  EXPECT_EQ(host_values(blocks), host_values(all.view()));
}

TEST_F(GgufTest, WrongKindsAndMissingKeysAreNamed) {
  GgufWriter(path, {}, some_metadata()).commit();
  const Gguf gguf = Gguf::open(path);
  expect_mentions(message_of([&] { gguf.integer("none"); }), {"x.gguf", "none"});
  expect_mentions(message_of([&] { gguf.integer("a.float"); }), {"a.float", "whole number"});
  expect_mentions(message_of([&] { gguf.text("a.number"); }), {"a.number", "text"});
  expect_mentions(message_of([&] { gguf.texts("a.types"); }), {"a.types", "list of texts"});
  expect_mentions(message_of([&] { gguf.number("a.flag"); }), {"a.flag", "number"});
}

TEST_F(GgufTest, EveryCutIsFound) {
  Tensor values(2, 32, Dtype::kF32);
  GgufWriter writer(path, {{"a", Dtype::kF32, {2, 32}}, {"b", Dtype::kQ8_0, {2, 32}}},
                    some_metadata());
  for (int i = 0; i < 2; ++i) writer.write(values.view());
  writer.commit();
  const std::string whole = read_text_file(path);
  const size_t content = whole.size() - 28;  // b has 68 bytes; the last 28 are padding
  for (size_t size = 0; size < content; ++size)
    EXPECT_THROW(open(whole.substr(0, size)), Error) << size;
  for (size_t size = content; size <= whole.size(); ++size)
    EXPECT_NO_THROW(open(whole.substr(0, size))) << "only padding is missing";
  EXPECT_EQ(open(whole + "x").tensors().size(), 2u) << "bytes behind are said and not read";
}

// Whatever a byte is changed to, the file is read or refused, within its bounds.
TEST_F(GgufTest, EveryChangedByteIsReadOrRefused) {
  Tensor values(2, 32, Dtype::kF32);
  GgufWriter writer(path, {{"a", Dtype::kF32, {2, 32}}, {"b", Dtype::kQ8_0, {2, 32}}},
                    some_metadata());
  for (int i = 0; i < 2; ++i) writer.write(values.view());
  writer.commit();
  const std::string whole = read_text_file(path);
  int refused = 0;
  for (size_t at = 0; at < whole.size() - 324; ++at)  // what lies before the tensors' bytes
    for (const char change : {'\x01', '\x80', '\xff'}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ change);
      try {
        const Gguf gguf = open(changed);
        size_t bytes = 0;
        for (const GgufTensor& tensor : gguf.tensors()) bytes += tensor.bytes.size();
        EXPECT_LE(bytes, whole.size());
      } catch (const Error&) {
        ++refused;
      }
    }
  EXPECT_GT(refused, 100);
}

TEST_F(GgufTest, OtherFilesAreRefused) {
  expect_mentions(refused(std::string(100, 'x')), {"expected a GGUF file"});
  expect_mentions(refused(Spelled{.version = 1}), {"version 1"});
  expect_mentions(refused(Spelled{.version = 4}), {"version 4"});
  expect_mentions(refused(Spelled{.version = 3u << 24}), {"byte order"});
  EXPECT_NO_THROW(open(Spelled{.version = 2}.bytes()));
  EXPECT_FALSE(is_gguf(folder.path()));
  EXPECT_FALSE(is_gguf(folder / "none"));
  EXPECT_TRUE(is_gguf(path));
}

TEST_F(GgufTest, CountsAreHeldAgainstTheFile) {
  constexpr uint64_t kHuge = ~uint64_t{0} / 2;
  expect_mentions(refused(Spelled{.tensors = kHuge}), {"tensors"});
  expect_mentions(refused(Spelled{.keys = kHuge}), {"keys"});
  expect_mentions(refused("GGUF" + bytes_of(uint32_t{3}) + bytes_of(uint64_t{0}) +
                          bytes_of(uint64_t{1}) + bytes_of(kHuge) + std::string(40, 'k')),
                  {"a key"});
  Spelled text, list, numbers, nested, kind, flag;
  text.key("k", 8, bytes_of(kHuge) + std::string(40, 'x'));
  expect_mentions(refused(text), {"a text"});
  list.key("k", 9, bytes_of(uint32_t{8}) + bytes_of(kHuge));
  expect_mentions(refused(list), {"texts of an array"});
  numbers.key("k", 9, bytes_of(uint32_t{10}) + bytes_of(kHuge) + std::string(64, 'x'));
  expect_mentions(refused(numbers), {"elements of an array"});
  nested.key("k", 9, bytes_of(uint32_t{9}) + bytes_of(uint64_t{1}));
  expect_mentions(refused(nested), {"array of arrays"});
  kind.key("k", 13, bytes_of(uint64_t{1}));
  expect_mentions(refused(kind), {"type 13"});
  flag.key("k", 7, "\x02");
  expect_mentions(refused(flag), {"neither true nor false"});
}

TEST_F(GgufTest, NamesComeOnce) {
  Spelled keys, tensors, empty, name;
  for (int i = 0; i < 2; ++i) keys.key("same", 4, bytes_of(uint32_t{1}));
  expect_mentions(refused(keys), {"same", "twice"});
  empty.key("", 4, bytes_of(uint32_t{1}));
  EXPECT_FALSE(refused(empty).empty());
  for (uint64_t i = 0; i < 2; ++i) tensors.tensor("same", {8}, 0, 32 * i);
  tensors.data = std::string(64, 'x');
  expect_mentions(refused(tensors), {"same", "twice"});
  name.tensor(std::string(65, 'n'), {8}, 0, 0);
  name.data = std::string(32, 'x');
  expect_mentions(refused(name), {"the name of a tensor"});
}

TEST_F(GgufTest, ShapesAndOffsetsAreHeldAgainstTheFile) {
  const auto with = [](const std::vector<uint64_t>& sizes, uint32_t type, uint64_t offset) {
    Spelled spelled;
    spelled.tensor("t", sizes, type, offset);
    spelled.data = std::string(128, 'x');
    return spelled;
  };
  EXPECT_NO_THROW(open(with({8, 4}, 0, 0).bytes()));
  EXPECT_EQ(Gguf::open(path).tensors()[0].shape, (std::vector<int64_t>{4, 8}));
  expect_mentions(refused(with({1, 1, 1, 1, 1}, 0, 0)), {"5 dimensions"});
  expect_mentions(refused(with({0, 4}, 0, 0)), {"cannot be"});
  expect_mentions(refused(with({uint64_t{1} << 32, uint64_t{1} << 32}, 0, 0)), {"cannot be"});
  expect_mentions(refused(with({~uint64_t{0}, 2}, 0, 0)), {"cannot be"});
  expect_mentions(refused(with({8, 5}, 0, 0)), {"cut short"});
  expect_mentions(refused(with({8, 4}, 0, 32)), {"byte 32", "expected byte 0"});
  expect_mentions(refused(with({8, 4}, 0, ~uint64_t{0} - 31)), {"expected byte 0"});
  expect_mentions(refused(with({8, 4}, 8, 0)), {"Q8_0", "cannot be"});
  expect_mentions(refused(with({8, 4}, 77, 0)), {"\"t\"", "type 77", "not known"});
  expect_mentions(refused(with({8, 4}, 133, 0)), {"\"t\"", "type 133", "ik_llama.cpp"});
  // Blocks: rows that are no whole ones, and one that is cut short.
  expect_mentions(refused(with({128, 4}, 12, 0)), {"\"t\"", "Q4_K", "[4, 128]"});
  expect_mentions(refused(with({256}, 12, 0)), {"144 bytes of \"t\"", "cut short"});
}

TEST_F(GgufTest, TensorsLieOneBehindTheOther) {
  Spelled overlap;
  overlap.tensor("a", {16}, 0, 0);
  overlap.tensor("b", {16}, 0, 32);
  overlap.data = std::string(128, 'x');
  expect_mentions(refused(overlap), {"\"b\"", "byte 32", "expected byte 64"});
}

TEST_F(GgufTest, AnotherAlignmentIsFollowed) {
  const auto with = [](uint32_t alignment) {
    Spelled spelled;
    spelled.key("general.alignment", 4, bytes_of(alignment));
    spelled.tensor("a", {2}, 0, 0);
    spelled.tensor("b", {2}, 0, alignment);
    spelled.data = std::string(alignment, 'a') + std::string(8, 'b');
    return spelled.bytes(alignment == 0 ? 1 : alignment);
  };
  const Gguf gguf = open(with(128));
  EXPECT_EQ(static_cast<char>(gguf.tensor("b")->bytes[0]), 'b');
  for (const uint32_t wrong : {0u, 4u, 24u, 1u << 20})
    expect_mentions(refused(with(wrong)), {"alignment"});
}

TEST_F(GgufTest, TypesThatCannotBeReadAreNamed) {
  Spelled spelled;
  spelled.tensor("blk.0.x", {256}, 15, 0);
  spelled.data = std::string(292, 'x');
  write_file(path, spelled.bytes());
  EXPECT_STREQ(Gguf::open(path).tensors()[0].type.name, "Q8_K") << "it can be looked at";
  expect_mentions(message_of([&] { TensorFiles::open_file(path); }), {"x.gguf", "blk.0.x", "Q8_K"});
}

// Each tensor has its own.
TEST_F(GgufTest, EveryFormatIsReadAndWritten) {
  Tensor values(3, 512, Dtype::kF32);
  for (int64_t i = 0; i < 1536; ++i)
    values.view().row<float>(0)[i] = std::sin(static_cast<float>(i)) / 16;
  std::vector<TensorSpec> specs;
  for (const BlockFormat* format : block_formats())
    if (format->ggml >= 0 && format->encode != nullptr)
      specs.push_back({format->label, format->dtype, {3, 512}});
  GgufWriter writer(path, specs, {});
  for (size_t i = 0; i < specs.size(); ++i) writer.write(values.view());
  writer.commit();
  const TensorFiles files = TensorFiles::open_file(path);
  for (const TensorSpec& spec : specs) {
    const StoredTensor& found = *files.find(spec.name);
    const Tensor want(3, 512, spec.dtype), row(1, 512, Dtype::kF32);
    copy_converted(values.view(), want.view());
    EXPECT_EQ(std::memcmp(found.view().data, want.view().data, want.view().bytes()), 0)
        << spec.name;
    found.copy_rows_to(2, row.view());
    EXPECT_EQ(host_values(row.view()), host_values(want.view().row_range(2, 1))) << spec.name;
    EXPECT_EQ(found.blocks(), spec.dtype);
  }
}

TEST_F(GgufTest, AScaleThatIsNoneIsNamed) {
  for (const uint16_t bits : {0x7e00, 0x7c00, 0xfc00}) {
    Spelled spelled;
    spelled.tensor("blk.0.x", {64, 2}, 8, 0);
    spelled.data = std::string(4 * 34, '\1');
    std::memcpy(spelled.data.data() + 3 * 34, &bits, sizeof bits);
    write_file(path, spelled.bytes());
    const TensorFiles files = TensorFiles::open_file(path);
    const Tensor row(1, 64, Dtype::kF32), all(2, 64, Dtype::kBF16);
    EXPECT_NO_THROW(files.find("blk.0.x")->copy_rows_to(0, row.view()));
    expect_mentions(message_of([&] { files.find("blk.0.x")->copy_to(all.view()); }),
                    {"x.gguf", "blk.0.x", "Q8_0", "scale", "fetch"});
  }
}

}  // namespace
}  // namespace falconer::test
