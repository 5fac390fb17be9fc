#include "data/json_array.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace falconer::test {
namespace {

using Strings = std::vector<std::string>;

std::optional<Strings> elements(std::string_view text) {
  const auto found = json_array_elements(text);
  if (!found) return {};
  return Strings(found->begin(), found->end());
}

TEST(JsonArray, FindsElementsWhateverTheyHold) {
  EXPECT_EQ(elements("[]"), Strings{});
  EXPECT_EQ(elements("\xEF\xBB\xBF [ \n ] \n"), Strings{});
  EXPECT_EQ(elements("[1]"), Strings{"1"});
  EXPECT_EQ(elements(R"([{"a":[1,2]}, [3,[4,5]],"]},[" ,"\"," , "\\"])"),
            (Strings{R"({"a":[1,2]})", " [3,[4,5]]", R"("]},[" )", R"("\"," )", R"( "\\")"}));
}

TEST(JsonArray, GivesNothingForWhatIsNoWholeArray) {
  for (const char* text : {"", " ", "{}", "1", "[", "[1", "[1,", "[\"a]", "[\"a\\\"]", "[1]]",
                           "[1] 2", "[1}", "[{]", "]", "[[1]", "[1],[2]"})
    EXPECT_EQ(elements(text), std::nullopt) << text;
}

TEST(JsonArray, IsValidExactlyWhereItsElementsAre) {
  using nlohmann::json;
  const Strings parts = {"[",  "]", "{", "}", ",",       ":",    "\"",
                         "\\", "1", "a", " ", "\"k\":1", "null", "[1]"};
  std::mt19937 numbers(1);
  int valid = 0;
  for (int i = 0; i < 200000; ++i) {
    std::string text = "[";
    for (uint32_t n = numbers() % 8; n > 0; --n) text += parts[numbers() % parts.size()];
    text += "]";
    bool apart = false;
    json together = json::array();
    if (const auto found = json_array_elements(text)) {
      apart = true;
      for (const auto element : *found) {
        together.push_back(json::parse(element, nullptr, false));
        apart = apart && !together.back().is_discarded();
      }
    }
    const json whole = json::parse(text, nullptr, false);
    ASSERT_EQ(apart, !whole.is_discarded()) << text;
    if (!apart) continue;
    ASSERT_EQ(together, whole) << text;
    ++valid;
  }
  EXPECT_GT(valid, 1000);
}

}  // namespace
}  // namespace falconer::test
