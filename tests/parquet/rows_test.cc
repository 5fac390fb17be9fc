// What small files, of every type and form, become; tools/parquet_beside_pyarrow compares larger ones.
#include "parquet/rows.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "parquet/read_parquet.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

using Rows = std::vector<std::string>;

TEST(Parquet, EveryTypeBecomesWhatItMeans) {
  const Rows rows = parquet_rows(parquet_file("types"));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0],
            R"({"bool":true,"int8":-128,"uint32":4294967295,"int64":-9223372036854775808,)"
            R"("uint64":18446744073709551615,"half":1.5,"float":1.5,"double":0.1,"string":"Grüße",)"
            R"("binary":"ab","fixed":"abc","decimal":"-0.05",)"
            R"("wide":"-99999999999999999999999999999999999.999","date":"2024-02-29",)"
            R"("time":"12:30:00.000001","stamp":"2024-02-29T12:30:00Z",)"
            R"("nano":"1970-01-01T00:00:00.000000001","none":null,)"
            R"("uuid":"00112233-4455-6677-8899-aabbccddeeff","json":{"a":[1,null]},"enum":"a"})");
  EXPECT_EQ(rows[1],
            R"({"bool":null,"int8":null,"uint32":null,"int64":null,"uint64":null,"half":null,)"
            R"("float":null,"double":null,"string":null,"binary":null,"fixed":null,"decimal":null,)"
            R"("wide":null,"date":null,"time":null,"stamp":null,"nano":null,"none":null,)"
            R"("uuid":null,"json":null,"enum":null})");
  EXPECT_EQ(
      rows[2],
      "{\"bool\":false,\"int8\":127,\"uint32\":0,\"int64\":9223372036854775807,\"uint64\":0,"
      "\"half\":-65504.0,\"float\":-0.25,\"double\":1e+300,\"string\":\"\",\"binary\":\"\uFFFD\","
      "\"fixed\":\"xyz\",\"decimal\":\"1234567.89\",\"wide\":\"0.001\",\"date\":\"1969-12-31\","
      "\"time\":\"00:00:00\",\"stamp\":\"1969-12-31T23:59:59.999Z\","
      "\"nano\":\"1969-12-31T23:59:59.999999999\",\"none\":null,"
      "\"uuid\":\"00000000-0000-0000-0000-000000000001\",\"json\":\"x\",\"enum\":\"b\"}");
  EXPECT_EQ(parquet_rows(parquet_file("types_v2")), rows) << "pages of version 2, with zstd";
  EXPECT_EQ(parquet_rows(parquet_file("int96")),
            (Rows{R"({"t":"2024-02-29T12:30:00.000000001"})", R"({"t":null})",
                  R"({"t":"1969-12-31T23:59:59.999999999"})"}));
}

TEST(Parquet, ListsStructsAndMapsAreAsTheyWere) {
  const Rows all = {
      R"({"messages":[{"role":"user","content":"Hi","tools":null},{"role":"assistant","content":"Hello.","tools":["a",null]}],"lists":[[1,null],[]],"map":{"a":1,"b":null},"pairs":[[1,"x"]],"in":{"a":1,"b":{"c":"x"}}})",
      R"({"messages":[],"lists":null,"map":{},"pairs":[],"in":{"a":null,"b":null}})",
      R"({"messages":null,"lists":[],"map":null,"pairs":null,"in":null})",
      R"({"messages":[{"role":null,"content":null,"tools":[]},null],"lists":[null,[2]],"map":{"c":3},"pairs":[[2,null]],"in":{"a":2,"b":{"c":null}}})",
      R"({"messages":[{"role":"user","content":"Bye","tools":null}],"lists":[[3]],"map":{"d":4},"pairs":[[3,"z"]],"in":{"a":3,"b":{"c":"y"}}})"};
  EXPECT_EQ(parquet_rows(parquet_file("nested"), {.nested_nulls = true}), all);
  EXPECT_EQ(parquet_rows(parquet_file("nested_v2"), {.nested_nulls = true}), all);
  const Rows old = parquet_rows(parquet_file("nested_old"), {.nested_nulls = true});
  ASSERT_EQ(old.size(), all.size());
  for (size_t i = 0; i < old.size(); ++i)
    EXPECT_TRUE(all[i].starts_with(old[i].substr(0, old[i].size() - 1))) << old[i];
}

// A key that one message lacks and another has is there in both, with null, once they were a table.
TEST(Parquet, KeysThatAStructHadNotAreAbsentAgain) {
  EXPECT_EQ(
      parquet_rows(parquet_file("nested")),
      (Rows{
          R"({"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello.","tools":["a",null]}],"lists":[[1,null],[]],"map":{"a":1,"b":null},"pairs":[[1,"x"]],"in":{"a":1,"b":{"c":"x"}}})",
          R"({"messages":[],"lists":null,"map":{},"pairs":[],"in":{}})",
          R"({"messages":null,"lists":[],"map":null,"pairs":null,"in":null})",
          R"({"messages":[{"tools":[]},null],"lists":[null,[2]],"map":{"c":3},"pairs":[[2,null]],"in":{"a":2,"b":{}}})",
          R"({"messages":[{"role":"user","content":"Bye"}],"lists":[[3]],"map":{"d":4},"pairs":[[3,"z"]],"in":{"a":3,"b":{"c":"y"}}})"}));
}

TEST(Parquet, GroupsPagesDictionariesAndCodecsChangeNothing) {
  const char* words[] = {"one", "two", "three", "four", "five", "six", "seven", "eight"};
  Rows rows, without_instruction;
  for (int i = 0; i < 40; ++i) {
    std::string output;
    for (int k = 0; k < i % 4; ++k) output += words[i % 8];
    const std::string rest = fmt::format("\"output\":\"{}\",\"n\":{}}}", output,
                                         i % 5 == 0 ? "null" : std::to_string(i * i - 300));
    rows.push_back(fmt::format("{{\"instruction\":\"{}\",{}", words[i % 3], rest));
    without_instruction.push_back("{" + rest);
  }
  for (const char* name : {"groups", "fallback", "deltas"})
    EXPECT_EQ(parquet_rows(parquet_file(name)), rows) << name;
  for (const char* name : {"codec_gzip", "codec_zstd", "codec_lz4"})
    EXPECT_EQ(parquet_rows(parquet_file(name)), without_instruction) << name;
  Rows split;
  for (int i = 0; i < 20; ++i)
    split.push_back(fmt::format(R"({{"f":{:.1f},"i":{},"x":"{}B","b":{}}})", 0.5 * i, i,
                                static_cast<char>('A' + i), i % 3 == 0));
  EXPECT_EQ(parquet_rows(parquet_file("split")), split);
  EXPECT_EQ(parquet_rows(parquet_file("empty")), Rows{});
  // A page without values comes first, behind which pyarrow itself finds none.
  EXPECT_EQ(parquet_rows(parquet_file("empty_page")), (Rows{"{\"v\":null}", "{\"v\":[\"a\"]}"}));
}

TEST(Parquet, RowsAreNumberedThroughAllGroups) {
  std::vector<int64_t> numbers;
  parquet::read_rows(parquet_file("groups"),
                     {.row = [&](const auto&, int64_t number) { numbers.push_back(number); },
                      .bad = [&](int64_t, const std::string& what) { ADD_FAILURE() << what; }});
  ASSERT_EQ(numbers.size(), 40u);
  for (int64_t i = 0; i < 40; ++i) EXPECT_EQ(numbers[static_cast<size_t>(i)], i + 1);
}

TEST(Parquet, WhatIsNotReadIsRefusedByNameAndWithAWayOut) {
  const auto refused = [](const std::string& name) {
    return message_of([&] { parquet_rows(parquet_file(name)); });
  };
  expect_mentions(refused("codec_brotli"),
                  {"codec_brotli.parquet", "row group 0", "column \"n\"", "BROTLI", "snappy, gzip",
                   "python3 -c", "compression='zstd'"});
  expect_mentions(refused("encrypted"), {"encrypted.parquet", "is encrypted", "write it without"});
  expect_mentions(refused("encrypted_column"), {"row group 0", "column \"n\"", "is encrypted"});
}

TEST(Parquet, WhatIsNoParquetFileIsSaid) {
  const TempFolder folder;
  const auto refused = [&](std::string_view content) {
    write_file(folder / "a.parquet", content);
    return message_of([&] { parquet_rows(folder / "a.parquet"); });
  };
  expect_mentions(refused(""), {"a.parquet", "no Parquet file", "PAR1", "found none"});
  expect_mentions(refused("{\"a\": 1}\n"), {"no Parquet file", "found \"{\"a\""});
  expect_mentions(refused("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
                  {"Git LFS pointer", "git lfs pull"});
  const std::string whole = read_text_file(parquet_file("alpaca"));
  expect_mentions(refused(whole.substr(0, whole.size() - 1)),
                  {"a part of a Parquet file", "PAR1", "fetch or write it again"});
  std::string longer = whole;
  longer[longer.size() - 5] = '\x7F';
  expect_mentions(refused(longer), {"its footer has 21", "damaged"});
  // An error says where it is: here in the header of the first page.
  std::string damaged = whole;
  damaged[4] = '\x00';
  expect_mentions(refused(damaged), {"row group 0", "column \"instruction\"", "fetch or write"});
}

}  // namespace
}  // namespace falconer::test
