#include "base/json_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/errors.h"

namespace falconer::test {
namespace {

std::string nested(int depth) {
  return std::string(static_cast<size_t>(depth), '[') +
         std::string(static_cast<size_t>(depth), ']');
}

std::string members(size_t count) {
  std::string text = "{";
  for (size_t i = 0; i < count; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + "\":0";
  return text + "}";
}

TEST(JsonText, DepthIsBounded) {
  EXPECT_FALSE(parse_json(nested(kDeepestJson)).is_discarded());
  EXPECT_TRUE(parse_json(nested(kDeepestJson + 1)).is_discarded());
  EXPECT_TRUE(parse_ordered_json(nested(2'000'000)).is_discarded());
  expect_mentions(json_excess(nested(101), false), {"more than 100 deep"});
}

TEST(JsonText, MembersOfOrderedObjectsAreBounded) {
  EXPECT_FALSE(parse_ordered_json(members(kMostJsonMembers)).is_discarded());
  EXPECT_TRUE(parse_ordered_json(members(kMostJsonMembers + 1)).is_discarded());
  EXPECT_FALSE(parse_json(members(kMostJsonMembers + 1)).is_discarded());
  // Objects beside each other are counted apart.
  const std::string many = members(3000);
  EXPECT_FALSE(parse_ordered_json("[" + many + "," + many + "]").is_discarded());
}

TEST(JsonText, BracketsInTextDoNotCount) {
  const std::string text = R"({"a": ")" + std::string(500, '[') + R"(\"{", "b": [1]})";
  EXPECT_EQ(json_excess(text, true), "");
  EXPECT_EQ(parse_json(text)["b"][0], 1);
  EXPECT_TRUE(parse_json("{\"a").is_discarded());
  EXPECT_EQ(json_excess("]]}}\"\\", true), "");
  // A quote behind an even number of backslashes ends the text.
  EXPECT_NE(json_excess(R"(["\\",)" + nested(100) + "]", true), "");
  EXPECT_EQ(json_excess(R"(["\",)" + nested(100) + R"("])", true), "");
}

TEST(JsonText, AKeyThatStandsTwiceIsFound) {
  const auto key = [](const std::string& text) {
    return repeated_key(text, parse_ordered_json(text)).value_or("-");
  };
  EXPECT_EQ(key(R"({"a": 1, "b": {"a": [{"a": ":{"}]}, "c": "\\\":"})"), "-");
  EXPECT_EQ(key(R"({"a": 1, "b": 2, "a": 3})"), "a");
  EXPECT_EQ(key(R"({"m": [{"role": "x"}, {"role": "y", "role": "z"}]})"), "role");
  EXPECT_EQ(key(R"({"a": {"b": 1}, "a": {"b": 1}})"), "a");
  EXPECT_EQ(key("[1, {}, {\"a\": []}]"), "-");
}

// The parser would end there, and drop the rest in silence.
TEST(JsonText, AZeroByteIsNoEnd) {
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {"{\"a\": 1}\0{\"b\": 2}"sv, "[1]\0"sv, "\0"sv, "{\"a\": \"x\0y\"}"sv, "[1,\0 2]"sv}) {
    EXPECT_TRUE(parse_json(text).is_discarded());
    EXPECT_TRUE(parse_ordered_json(text).is_discarded());
    EXPECT_NE(json_excess(text, true).find("zero byte"), std::string::npos);
  }
  EXPECT_FALSE(parse_json("{\"a\": \"x\\u0000y\"}").is_discarded());
}

}  // namespace
}  // namespace falconer::test
