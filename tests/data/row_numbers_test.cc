// Numbers that no JSON can say, as Parquet files have them: named where a row would become text or ids of them.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "base/file.h"
#include "data/formats.h"
#include "parquet/made_parquet.h"
#include "parquet/read_parquet.h"
#include "support/errors.h"
#include "support/said.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

/// A file whose one row has these numbers in the list "c".
std::string list_file(const std::vector<double>& numbers) {
  const auto little = [](uint64_t value, int bytes) {
    std::string made;
    for (int i = 0; i < bytes; ++i) made += static_cast<char>(value >> (8 * i));
    return made;
  };
  const auto count = static_cast<uint64_t>(numbers.size());
  // Up to eight levels of one bit each: the first begins the list.
  const std::string repetition{'\x03', static_cast<char>((1U << count) - 2)};
  const std::string definition{static_cast<char>(count << 1), '\x01'};
  MadeParquet made{
      .type = 5, .repetition = 2, .page = {}, .values = std::ssize(numbers), .dictionary = {}};
  made.page = little(2, 4) + repetition + little(2, 4) + definition;
  for (const double number : numbers) made.page += little(std::bit_cast<uint64_t>(number), 8);
  return made.file();
}

RowObject list_in_parquet(const std::vector<double>& numbers) {
  const TempFolder folder;
  write_file(folder / "a.parquet", list_file(numbers));
  RowObject list;
  parquet::read_rows(folder / "a.parquet",
                     {.row = [&](const RowObject& row, int64_t) { list = row.at("c"); },
                      .bad = [](int64_t, const std::string& what) { ADD_FAILURE() << what; }});
  return list;
}

std::string refusal_of(const RowObject& row) {
  return error_or_none([&] { FormatParser(nullptr, 100).parse(row); });
}

TEST(RowNumbers, OfParquetListsAreTextOnlyWhereTheyAreNumbers) {
  EXPECT_EQ(list_in_parquet({1, 2.5, -3}), (RowObject{1.0, 2.5, -3.0}));
  const RowObject messages = {{{"role", "user"}, {"content", "a"}},
                              {{"role", "assistant"}, {"content", "b"}}};
  for (const auto& [value, name] : {std::pair(std::nan(""), "nan"),
                                    {INFINITY, "inf"},
                                    {-INFINITY, "-inf"},
                                    {1e300, "digits"}}) {
    const RowObject list = list_in_parquet({1, value, 2});
    const RowObject deep = {{"a", {{"b", list}}}};
    expect_mentions(refusal_of({{"instruction", "a"}, {"output", list}}),
                    {"\"output\" holds", name});
    expect_mentions(refusal_of({{"instruction", "a"}, {"output", deep}}),
                    {"\"output\" holds", name});
    expect_mentions(refusal_of({{"instruction", "a"}, {"output", list[1]}}),
                    {"\"output\" is", name});
    expect_mentions(refusal_of({{"prompt", "a"}, {"completion", list}}),
                    {"\"completion\" holds", name});
    expect_mentions(
        refusal_of({{"conversations",
                     {{{"from", "human"}, {"value", "a"}}, {{"from", "gpt"}, {"value", list}}}}}),
        {"\"value\" holds", name});
    expect_mentions(refusal_of({{"messages", messages}, {"tools", deep}}),
                    {"\"tools\" holds", name});
    RowObject calls = messages;
    calls[1]["tool_calls"] = RowObject::array({deep});
    expect_mentions(refusal_of({{"messages", calls}}), {"\"tool_calls\" holds", name});
    // A column that nothing reads may lack a value.
    EXPECT_EQ(refusal_of({{"messages", messages}, {"score", list}}), "");
  }
  for (const auto& [value, name] :
       {std::pair(std::nan(""), "nan"), {INFINITY, "inf"}, {-INFINITY, "-inf"}, {2.5, "2.5"}}) {
    expect_mentions(refusal_of({{"input_ids", list_in_parquet({1, value})}}),
                    {"\"input_ids\" holds", name});
    expect_mentions(refusal_of({{"input_ids", {1, 2}}, {"labels", list_in_parquet({1, value})}}),
                    {"\"labels\" holds", name});
  }
  EXPECT_EQ(refusal_of({{"input_ids", list_in_parquet({1, 2})}}), "");
}

}  // namespace
}  // namespace falconer::test
