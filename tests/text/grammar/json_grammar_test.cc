#include "text/grammar/json_grammar.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "text/grammar/stack_sets.h"

namespace falconer::test {
namespace {

using grammar::StackSets;

/// Whether the whole of it is a text of the grammar.
bool takes(const std::shared_ptr<const grammar::Grammar>& grammar, std::string_view text) {
  StackSets sets(grammar);
  StackSets::Id at = sets.start();
  for (const char byte : text)
    if ((at = sets.step(at, static_cast<uint8_t>(byte))) == StackSets::kNone) return false;
  return sets.is_complete(at);
}

TEST(JsonGrammar, AnyObjectIsJsonAsWritersSpellIt) {
  const auto any = grammar::any_json_object();
  for (const char* text : {"{}", "{ }", " {}", R"({"a": 1})", R"({"a":1,"b":[true,false,null]})",
                           "{\n  \"a\": {\n    \"b\": []\n  }\n}", R"({"":-0.5e-7})",
                           R"({"\u00e9é\n\ud83d\ude00":"😀"})"})
    EXPECT_TRUE(takes(any, text)) << text;
  for (const char* text : {"",
                           "{",
                           "[]",
                           "1",
                           "{}}",
                           "{} ",
                           "{   }",
                           R"({"a" : 1})",
                           R"({"a":1,})",
                           R"({,})",
                           R"({'a':1})",
                           R"({"a":01})",
                           R"({"a":1.})",
                           R"({"a":+1})",
                           R"({"a":1e999})",
                           "{\"a\":\"\n\"}",
                           R"({"a":"\x"})",
                           R"({"a":"\ud83d"})",
                           R"({"a":"\ude00\ud83d"})",
                           "{\"a\":\"\xC3\"}",
                           "{\"a\":\"\xED\xA0\x80\"}",
                           "{\"a\":\"\xF4\x90\x80\x80\"}",
                           "{\"a\":\"\xC0\x80\"}",
                           "{\"a\":NaN}"})
    EXPECT_FALSE(takes(any, text)) << text;
}

}  // namespace
}  // namespace falconer::test
