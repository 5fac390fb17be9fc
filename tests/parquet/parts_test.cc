// Parts of the format that pyarrow does not write.
#include <gtest/gtest.h>
#include <lz4.h>

#include "parquet/codec.h"
#include "parquet/column.h"
#include "parquet/read_parquet.h"
#include "parquet/schema.h"
#include "support/errors.h"

namespace falconer::test {
namespace {

using namespace parquet;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

SchemaElement group(const std::string& name, int children, Repetition repetition,
                    Logical logical = Logical::kNone) {
  return {
      .name = name, .children = children, .repetition = repetition, .logical = {.kind = logical}};
}
SchemaElement text_column(const std::string& name, Repetition repetition) {
  return {.name = name,
          .physical = Physical::kBytes,
          .repetition = repetition,
          .logical = {.kind = Logical::kText}};
}

constexpr Repetition kRequired = Repetition::kRequired, kOptional = Repetition::kOptional,
                     kRepeated = Repetition::kRepeated;

/// "list<struct<a,b>>": what a column became.
std::string shape(const Node& node) {
  if (node.kind == Node::Kind::kLeaf) return node.name;
  std::string text = node.kind == Node::Kind::kList  ? "list<"
                     : node.kind == Node::Kind::kMap ? "map<"
                                                     : "struct<";
  for (size_t i = 0; i < node.children.size(); ++i)
    text += (i == 0 ? "" : ",") + shape(node.children[i]);
  return text + ">";
}
std::string shape_of(std::vector<SchemaElement> column) {
  column.insert(column.begin(), group("schema", 1, kRequired));
  return shape(Schema(column).root.children[0]);
}

// The rules for files of old writers, as the format's page on logical types has them.
TEST(ParquetParts, ListsAndMapsOfOldWriters) {
  const auto list = [](int children) { return group("my", children, kOptional, Logical::kList); };
  EXPECT_EQ(shape_of({list(1), group("list", 1, kRepeated), text_column("element", kOptional)}),
            "list<element>");
  EXPECT_EQ(shape_of({list(1), text_column("element", kRepeated)}), "list<element>");
  EXPECT_EQ(shape_of({list(1), group("element", 2, kRepeated), text_column("a", kRequired),
                      text_column("b", kRequired)}),
            "list<struct<a,b>>");
  EXPECT_EQ(shape_of({list(1), group("array", 1, kRepeated), text_column("a", kRequired)}),
            "list<struct<a>>");
  EXPECT_EQ(shape_of({list(1), group("my_tuple", 1, kRepeated), text_column("a", kRequired)}),
            "list<struct<a>>");
  EXPECT_EQ(shape_of({list(1), group("element", 1, kRepeated), text_column("a", kRepeated)}),
            "list<struct<list<a>>>");
  EXPECT_EQ(shape_of({text_column("words", kRepeated)}), "list<words>");
  EXPECT_EQ(shape_of({group("pair", 2, kRepeated), text_column("a", kRequired),
                      text_column("b", kOptional)}),
            "list<struct<a,b>>");
  const auto map = group("m", 1, kOptional, Logical::kMap);
  EXPECT_EQ(shape_of({map, group("key_value", 2, kRepeated), text_column("key", kRequired),
                      text_column("value", kOptional)}),
            "map<key,value>");
  EXPECT_EQ(shape_of({map, group("map", 1, kRepeated), text_column("key", kRequired)}), "map<key>");
  // Said to be a map, and without pairs: what it is by its shape.
  EXPECT_EQ(shape_of({map, text_column("a", kOptional)}), "struct<a>");
}

TEST(ParquetParts, LevelsCountWhatIsOptionalAndWhatRepeats) {
  const Schema schema({group("schema", 1, kRequired),
                       group("messages", 1, kOptional, Logical::kList), group("list", 1, kRepeated),
                       group("element", 1, kOptional), text_column("role", kOptional)});
  ASSERT_EQ(schema.leaves.size(), 1u);
  EXPECT_EQ(schema.leaves[0].path, "messages.list.element.role");
  EXPECT_EQ(schema.leaves[0].max_definition, 4);
  EXPECT_EQ(schema.leaves[0].max_repetition, 1);
}

TEST(ParquetParts, SchemasThatCannotBe) {
  const auto refused = [](std::vector<SchemaElement> elements) {
    return message_of([&] { Schema{std::move(elements)}; });
  };
  expect_mentions(refused({}), {"expected a schema of columns"});
  expect_mentions(refused({group("s", 2, kRequired), text_column("a", kRequired)}), {"breaks off"});
  expect_mentions(
      refused({group("s", 1, kRequired), text_column("a", kRequired), text_column("b", kRequired)}),
      {"has 3 elements, and 2 belong"});
  expect_mentions(
      refused({group("s", 2, kRequired), text_column("a", kRequired), text_column("a", kRequired)}),
      {"\"a\" twice", "rename"});
  expect_mentions(refused({group("s", 1000000, kRequired)}), {"1000000 columns", "4096"});
  std::vector<SchemaElement> deep = {group("s", 1, kRequired)};
  for (int i = 0; i < 1000; ++i) deep.push_back(group("g", 1, kOptional));
  deep.push_back(text_column("a", kOptional));
  expect_mentions(refused(deep), {"nest more than 100"});
  SchemaElement fixed = text_column("f", kRequired);
  fixed.physical = Physical::kFixedBytes;
  expect_mentions(refused({group("s", 1, kRequired), fixed}), {"\"f\"", "values of 0 bytes"});
}

TEST(ParquetParts, LevelsInBitsBeginWithTheHighest) {
  // 0 1 2 3 2 1 0, two bits each: 00011011 10010000, and a value behind them.
  std::span<const std::byte> page = bytes_of("\x1B\x90VALUE");
  LevelReader levels = LevelReader::of_page(page, LevelReader::kBits, 7, 3);
  for (const int expected : {0, 1, 2, 3, 2, 1, 0}) EXPECT_EQ(levels.next(), expected);
  EXPECT_EQ(page.size(), 5u) << "what stands behind the levels";
  page = bytes_of("\x1B");
  LevelReader above = LevelReader::of_page(page, LevelReader::kBits, 4, 2);
  for (int i = 0; i < 3; ++i) above.next();
  expect_mentions(message_of([&] { above.next(); }), {"level 3", "at most 2"});
}

TEST(ParquetParts, RunsAndGroupsOfBits) {
  // Four times 5; eight packed values 0 to 7; three bits each.
  RunReader runs(bytes_of(std::string_view("\x08\x05\x03\x88\xC6\xFA", 6)), 3);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(runs.next(), 5u);
  for (uint32_t i = 0; i < 8; ++i) EXPECT_EQ(runs.next(), i);
  expect_mentions(message_of([&] { runs.next(); }), {"fewer levels or indices"});
  RunReader none({}, 0);
  EXPECT_EQ(none.next(), 0u) << "a dictionary of one value needs no bits";
}

TEST(ParquetParts, DifferencesAsTheFormatsPageHasThem) {
  // 7, 5, 3, 1, 2, 3, 4, 5 of the specification: the differences' least is -2, and they take two bits.
  const std::string bytes(
      "\x80\x01\x04\x08\x0E\x03\x02\x00\x00\x00\xC0\x3F\x00\x00\x00\x00\x00\x00", 18);
  DeltaReader deltas(bytes_of(bytes));
  EXPECT_EQ(deltas.count(), 8u);
  for (const int expected : {7, 5, 3, 1, 2, 3, 4, 5}) EXPECT_EQ(deltas.next(), expected);
  EXPECT_EQ(DeltaReader(bytes_of(bytes)).end(), 18u);
  expect_mentions(message_of([&] { deltas.next(); }), {"fewer differences"});
}

TEST(ParquetParts, Lz4WithHadoopsFrames) {
  const std::string text = "a text that repeats, a text that repeats, a text that repeats";
  std::string blocks;
  const auto put_size = [&](size_t size) {
    for (int shift = 24; shift >= 0; shift -= 8) blocks += static_cast<char>(size >> shift);
  };
  for (const std::string& part : {text.substr(0, 40), text.substr(40)}) {
    std::string packed(100, '\0');
    packed.resize(static_cast<size_t>(LZ4_compress_default(part.data(), packed.data(),
                                                           static_cast<int>(part.size()),
                                                           static_cast<int>(packed.size()))));
    put_size(part.size());
    put_size(packed.size());
    blocks += packed;
  }
  constexpr int32_t kLz4 = 5, kLz4Raw = 7;
  std::string out(text.size(), '\0');
  const auto room = std::as_writable_bytes(std::span(out.data(), out.size()));
  unpack_page(kLz4, bytes_of(blocks), room);
  EXPECT_EQ(out, text);
  expect_mentions(message_of([&] { unpack_page(kLz4Raw, bytes_of(blocks), room); }),
                  {"does not become 61 by LZ4_RAW", "damaged"});
  expect_mentions(message_of([&] { unpack_page(kLz4, bytes_of(blocks).first(30), room); }),
                  {"LZ4"});
}

}  // namespace
}  // namespace falconer::test
