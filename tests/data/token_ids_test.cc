// One reader for the ids of rows, whichever command asks.
#include <gtest/gtest.h>

#include "base/json_text.h"
#include "data/format/tokens.h"
#include "support/errors.h"

namespace falconer::test {
namespace {

std::vector<int32_t> ids(const char* value, bool labels = false) {
  const auto row = parse_ordered_json(fmt::format(R"({{"ids": [1, {}]}})", value));
  return read_ids(row, "ids", 61, labels);
}

TEST(TokenIds, AreWholeNumbersOfTheVocabulary) {
  EXPECT_EQ(ids("0"), (std::vector<int32_t>{1, 0}));
  EXPECT_EQ(ids("60"), (std::vector<int32_t>{1, 60}));
  EXPECT_EQ(ids("2.0"), (std::vector<int32_t>{1, 2}));
  for (const char* value : {"2.5", "true", "\"3\"", "null", "[3]", "1e30"})
    expect_mentions(message_of([&] { ids(value); }), {"\"ids\"", "no token id"});
  // 2^32 + 1 and 2^64 - 100 are 1 and -100 where they are cut to 32 bits.
  for (const char* value : {"-1", "61", "2147483648", "4294967297", "9007199254740993",
                            "9223372036854775808", "18446744073709551516", "-100"})
    expect_mentions(message_of([&] { ids(value); }), {"\"ids\"", value, "0 to 60"});
}

TEST(TokenIds, OfLabelsMinusHundredIsIgnored) {
  EXPECT_EQ(ids("-100", true), (std::vector<int32_t>{1, -100}));
  for (const char* value : {"-1", "-101", "18446744073709551516"})
    expect_mentions(message_of([&] { ids(value, true); }), {value, "-100 (ignored)"});
}

TEST(TokenIds, NullIsNotThere) {
  const auto row = parse_ordered_json(R"({"input_ids": [3], "labels": null, "ids": null})");
  RowContext context{.vocab = 61, .unread = {}};
  EXPECT_EQ(std::get<Row>(parse_tokens(row, context)).labels, (std::vector<int32_t>{3}));
  expect_mentions(message_of([&] { read_ids(row, "ids", 61, false); }), {"has no \"ids\""});
}

}  // namespace
}  // namespace falconer::test
