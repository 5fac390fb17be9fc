#include "text/grammar/json_grammar.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "support/errors.h"
#include "text/grammar/random_schema.h"
#include "text/grammar/schema_validator.h"
#include "text/grammar/stack_sets.h"

namespace falconer::test {
namespace {

using grammar::StackSets;
using Json = nlohmann::ordered_json;
using GrammarPointer = std::shared_ptr<const grammar::Grammar>;

/// Whether the whole of it is a text of the grammar.
bool takes(const GrammarPointer& grammar, std::string_view text) {
  StackSets sets(grammar);
  StackSets::Id at = sets.start();
  for (const char byte : text)
    if ((at = sets.step(at, static_cast<uint8_t>(byte))) == StackSets::kNone) return false;
  return sets.is_complete(at);
}

GrammarPointer grammar_of(const char* schema) {
  return grammar::json_schema_grammar(Json::parse(schema));
}

void expect_texts(const char* schema, const std::vector<const char*>& good,
                  const std::vector<const char*>& bad) {
  const GrammarPointer grammar = grammar_of(schema);
  for (const char* text : good) EXPECT_TRUE(takes(grammar, text)) << schema << "\n" << text;
  for (const char* text : bad) EXPECT_FALSE(takes(grammar, text)) << schema << "\n" << text;
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
                           "{\"a\":NaN}",
                           "{\"a\":[1,]}"})
    EXPECT_FALSE(takes(any, text)) << text;
}

// As llama.cpp has it: a model that likes white space comes to an end of it.
TEST(JsonGrammar, WhiteSpaceIsASpaceOrALineWithItsIndentation) {
  const auto any = grammar::any_json_object();
  const std::string most = "\n" + std::string(20, ' ');
  for (const std::string& space : {std::string(), std::string(" "), std::string("\n\t\t"), most}) {
    EXPECT_TRUE(takes(
        any, "{" + space + "\"a\": [" + space + "1," + space + "2" + space + "]" + space + "}"));
  }
  for (const std::string& space : {most + " ", std::string("\n\n"), std::string("  "),
                                   std::string(" \n"), std::string("\t"), std::string("\r\n")}) {
    EXPECT_FALSE(takes(any, "{" + space + "}")) << space;
    EXPECT_FALSE(takes(any, "{\"a\":1," + space + "\"b\":2}")) << space;
    EXPECT_FALSE(takes(any, "{\"a\":" + space + "1}")) << space;
    EXPECT_FALSE(takes(any, space + "{}")) << space;
    EXPECT_FALSE(takes(any, "{}" + space)) << space;
  }
}

TEST(JsonGrammar, ObjectsHaveTheirPropertiesInOrder) {
  expect_texts(R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"null"},
                   "c":{"type":"boolean"}},"required":["b"]})",
               {R"({"b":null})", R"({"a":1,"b":null,"c":true})", R"({ "a": 1, "b": null })"},
               {R"({})", R"({"a":1})", R"({"b":null,"a":1})", R"({"b":null,})",
                R"({"b":null,"d":1})", R"({"b":null,"b":null})"});
  expect_texts(
      R"({"type":"object","properties":{"name":true,"é":true},"additionalProperties":
                   {"type":"integer"}})",
      {R"({})", R"({"nam":1})", R"({"names":1,"n":2})", R"({"name":"x","z":1})", R"({"":3})"},
      {R"({"z":1,"name":2})", R"({"z":"x"})", R"({"n\u0061me":1})", R"({"é":1,"é":2})"});
  expect_texts(R"({"properties":{},"required":["a b"]})", {R"({"a b":[]})"}, {"{}", "1"});
  expect_texts(R"({"type":"object"})", {R"({"a":{"b":1}})"}, {"[]"});
  expect_texts(R"({"type":"object","additionalProperties":false})", {"{}"}, {R"({"a":1})"});
}

TEST(JsonGrammar, ListsHaveSoManyItems) {
  expect_texts(R"({"type":"array","items":{"type":"integer"}})", {"[]", "[1]", "[1,2, 3]"},
               {"[1,]", "[,]", "[\"a\"]", "[1 2]"});
  expect_texts(R"({"items":{"type":"integer"},"minItems":2,"maxItems":3})", {"[1,2]", "[1,2,3]"},
               {"[]", "[1]", "[1,2,3,4]", "[1,]", "null"});
  expect_texts(R"({"type":"array","minItems":1})", {"[[]]", "[1,2,3]"}, {"[]", "[1,]"});
  expect_texts(R"({"prefixItems":[{"type":"null"},{"type":"boolean"}]})",
               {"[]", "[null]", "[null,true]"}, {"[true]", "[null,true,1]"});
  expect_texts(R"({"prefixItems":[{"type":"null"}],"items":{"type":"boolean"},"minItems":1})",
               {"[null]", "[null,true,false]"}, {"[]", "[null,null]"});
  expect_texts(R"({"type":"array","maxItems":0})", {"[]", "[ ]"}, {"[1]"});
}

TEST(JsonGrammar, NumbersAreWithinTheirBounds) {
  expect_texts(R"({"type":"integer","minimum":-7,"maximum":120})",
               {"-7", "-1", "0", "9", "99", "120"}, {"-8", "121", "1.5", "-0", "007", "1e1"});
  expect_texts(R"({"type":"integer","exclusiveMinimum":0.5,"exclusiveMaximum":3})", {"1", "2"},
               {"0", "3"});
  expect_texts(R"({"type":"number","minimum":0,"exclusiveMaximum":1})",
               {"0", "0.5", "0.999", "0.0"}, {"1", "1.0", "-0.1", "-0"});
  expect_texts(R"({"type":"number","exclusiveMinimum":-1.25,"maximum":-0.5})",
               {"-1.2", "-0.5", "-0.50", "-1"}, {"-1.25", "-1.250", "-0.49", "0", "-1.3"});
  expect_texts(R"({"type":"number","minimum":1e3})", {"1000", "1000.5", "99999"}, {"999.9", "1e3"});
  expect_texts(R"({"type":"integer"})", {"0", "-12", "999999999999999999"},
               {"1.0", "1000000000000000000", "-"});
  expect_texts(R"({"minimum":3, "type":["integer","null"]})", {"3", "44", "null"}, {"2", "true"});
}

TEST(JsonGrammar, TextsHaveLengthsPatternsAndFormats) {
  expect_texts(R"({"type":"string","minLength":1,"maxLength":2})",
               {R"("a")", R"("é😀")", R"("\n\ud83d\ude00")"}, {R"("")", R"("abc")", R"("\ud83d")"});
  expect_texts(R"({"type":"string","pattern":"^[A-Z]{2}\\d+$"})", {R"("AB1")", R"("XY123")"},
               {R"("AB")", R"("aB1")", R"("AB1 ")"});
  expect_texts(R"({"pattern":"b|^c$"})", {R"("abc")", R"("c")", R"("\"b\\")"},
               {R"("ac")", R"("")"});
  expect_texts(R"({"pattern":"^a*?(?:b|[\\x41-C])$","maxLength":3})", {R"("aab")", R"("B")"},
               {R"("aaab")", R"("D")"});
  expect_texts(R"({"pattern":"^[^\\x00-\\x7f]$"})", {R"("é")", R"("😀")"}, {R"("a")", R"("")"});
  expect_texts(R"({"pattern":"^[à-ÿ]\\u4f60.$"})", {R"("é你x")"}, {R"("é你\n")", R"("z你x")"});
  expect_texts(R"({"format":"date"})", {R"("2024-02-28")", R"("1999-12-31")"},
               {R"("2024-02-30")", R"("2024-13-01")"});
  expect_texts(R"({"format":"date-time"})", {R"("2024-02-28T23:59:59.5+01:00")"},
               {R"("2024-02-28")", R"("2024-02-28T25:00:00Z")"});
  expect_texts(R"({"format":"uuid"})", {R"("123e4567-e89b-12d3-a456-426614174000")"}, {R"("1")"});
  expect_texts(R"({"format":"email"})", {R"("ann.b@example.org")"}, {R"("ann")", R"("a@b")"});
  expect_texts(R"({"format":"ipv4"})", {R"("10.0.255.1")"}, {R"("10.0.256.1")"});
  expect_texts(R"({"format":"uri"})", {R"("https://example.org/a?b=c#d")"}, {R"("no uri")"});
  expect_texts(R"({"format":"duration"})", {R"("P1DT2H")", R"("PT5S")"}, {R"("P")", R"("PT")"});
}

TEST(JsonGrammar, ConstantsStandAsTheyAre) {
  expect_texts(R"({"enum":["a","ab","b",1,2.5,null,{"x":[1]}]})",
               {R"("a")", R"("ab")", "1", "2.5", "null", R"({"x":[1]})"}, {R"("abc")", "2", "{}"});
  expect_texts(R"({"type":"string","enum":["a",1],"const":"a"})", {R"("a")"}, {"1"});
  expect_texts(R"({"const":{"a":"b"}})", {R"({"a":"b"})", "{\n  \"a\": \"b\"\n}"}, {"{}"});
}

TEST(JsonGrammar, PutsTogetherWhatStandsApart) {
  expect_texts(R"({"$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},
                   "next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["v","next"]}},
                   "$ref":"#/$defs/n"})",
               {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":null}})"},
               {R"({"v":1})", R"({"v":1,"next":{}})"});
  expect_texts(R"({"type":"object","properties":{"a":{"allOf":[{"type":["string","integer"]},
                   {"type":["integer","null"],"minimum":5}]}},"required":["a"]})",
               {R"({"a":5})"}, {R"({"a":4})", R"({"a":"x"})", R"({"a":null})"});
  expect_texts(R"({"allOf":[{"properties":{"a":{"type":"null"}},"required":["a"]},
                   {"properties":{"b":{"type":"null"}},"required":["b"]}]})",
               {R"({"a":null,"b":null})"}, {R"({"a":null})"});
  expect_texts(R"({"allOf":[{"properties":{"a":true},"additionalProperties":false},
                   {"properties":{"b":true}}]})",
               {"{}", R"({"a":1})"}, {R"({"b":1})"});
  expect_texts(
      R"({"oneOf":[{"properties":{"k":{"const":"x"},"v":{"type":"integer"}},"required":["k","v"]},
                   {"properties":{"k":{"const":"y"}},"required":["k"]}],"type":"object"})",
      {R"({"k":"x","v":1})", R"({"k":"y"})"}, {R"({"k":"x"})", R"({"k":"y","v":1})"});
  expect_texts(R"({"anyOf":[{"type":"array","items":{"$ref":"#"}},{"type":"null"}]})",
               {"null", "[null,[[]]]"}, {"1", "[1]"});
  expect_texts(R"({"type":"object","properties":{"a":{"$ref":"#"},"b":{"type":"null"}}})",
               {"{}", R"({"a":{"a":{},"b":null}})"}, {R"({"a":null})"});
  // What could never end is left out.
  expect_texts(
      R"({"anyOf":[{"type":"null"},{"type":"array","items":{"$ref":"#/anyOf/1"},"minItems":1}]})",
      {"null"}, {"[", "[[null]]"});
}

TEST(JsonGrammar, SaysWhatIsNotSupportedAndWhere) {
  struct Case {
    const char* schema;
    const char* says;
  };
  for (const auto& [schema, says] : std::initializer_list<Case>{
           {R"({"properties":{"a/b":{"not":{}}}})",
            "at /properties/a~1b: \"not\" is not supported"},
           {R"({"type":"text"})", "at its root: \"type\" is \"text\", expected one of null"},
           {R"({"patternProperties":{}})", "\"patternProperties\" is not supported"},
           {R"({"uniqueItems":true})", "\"uniqueItems\" is not supported"},
           {R"({"items":[{}]})", "\"prefixItems\""},
           {R"({"minLength":-1})", "\"minLength\" is -1, expected a whole number from 0 on"},
           {R"({"maxItems":1000001})", "at most 100000 is supported"},
           {R"({"minItems":90000,"items":{"enum":[1]}})", "more than 200000 states"},
           {R"({"$ref":"#/x"})", "at /$ref: refers to \"#/x\", which is not there"},
           {R"({"$ref":"http://x"})", "supported is what begins with # or #/"},
           {R"({"$ref":"#"})", "refers to itself with no value between"},
           {R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})", "refers to itself"},
           {R"({"properties":{"a":{"$ref":"#"}},"required":["a"]})", "no finite value fits it"},
           {R"({"type":"string","minLength":2,"maxLength":1})", "no finite value fits it"},
           {R"(false)", "no finite value fits it"},
           {R"({"enum":[]})", "no finite value fits it"},
           {R"({"oneOf":[{"type":"integer"},{"type":"number"}]})",
            "has 0 and 1, which the same value may fit"},
           {R"-({"pattern":"(?=a)"})-",
            "at its root: \"pattern\": it has a group that begins with (?"},
           {R"({"pattern":"\\bx"})", "it has \\b, which is not supported"},
           {R"({"pattern":"a^"})", "it has ^ amid the expression"},
           {R"({"pattern":"(a"})", "its group has no )"},
           {R"-({"pattern":"a)"})-", "never began"},
           {R"({"pattern":"[z-a]"})", "a range in [] that goes down"},
           {R"({"pattern":"a{9999}"})", "expected a number up to 4096"},
           {R"({"pattern":"^[ab]*a[ab]{20}$"})", "more than 8192 states"},
           {R"({"format":"iri"})", "\"format\" is \"iri\", supported are date, time"},
           {R"({"enum":["abc"],"maxLength":2})", "\"maxLength\" beside \"enum\""},
           {R"({"minimum":1e100})", "too many digits"},
           {R"(3)", "expected a schema"},
           {R"({"allOf":[{"pattern":"a"},{"pattern":"b"}]})", "\"pattern\" is there twice"}})
    expect_mentions(message_of([&schema = schema] { grammar_of(schema); }), {says});
}

/// A text that the grammar allows, drawn byte by byte; empty where it got too long.
std::string walk(const GrammarPointer& grammar, RandomSchemas& random) {
  StackSets sets(grammar);
  StackSets::Id at = sets.start();
  std::string text;
  while (text.size() < 3000) {
    std::vector<uint8_t> next;
    for (int byte = 0; byte < 256; ++byte)
      if (sets.step(at, static_cast<uint8_t>(byte)) != StackSets::kNone)
        next.push_back(static_cast<uint8_t>(byte));
    if (sets.is_complete(at) && (next.empty() || random.chance(3))) return text;
    if (next.empty()) {
      ADD_FAILURE() << "stuck behind " << text;
      return {};
    }
    // What ends something comes more often, so that something ends.
    uint8_t byte = next[random.below(next.size())];
    for (const char end : {'"', '}', ']', ',', 'n'})
      if (random.chance(3) && sets.step(at, static_cast<uint8_t>(end)) != StackSets::kNone)
        byte = static_cast<uint8_t>(end);
    text.push_back(static_cast<char>(byte));
    at = sets.step(at, byte);
  }
  return {};
}

TEST(JsonGrammar, WhatItAllowsFitsTheSchemaAndWhatFitsItAllows) {
  RandomSchemas random(20);
  int walks = 0, values = 0;
  for (int round = 0; round < 400; ++round) {
    const Json schema = random.root();
    GrammarPointer grammar;
    try {
      grammar = grammar::json_schema_grammar(schema);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("no finite value"), std::string::npos)
          << error.what() << "\n"
          << schema.dump();
      continue;
    }
    const SchemaValidator validator(schema);
    for (int i = 0; i < 8; ++i) {
      const std::string text = walk(grammar, random);
      if (text.empty()) continue;
      ++walks;
      const Json parsed = Json::parse(text, nullptr, false);
      ASSERT_FALSE(parsed.is_discarded()) << text << "\n" << schema.dump();
      ASSERT_TRUE(validator.fits(parsed)) << text << "\n" << schema.dump();
    }
    for (int i = 0; i < 8; ++i) {
      const Json value = random.value(schema, schema);
      if (!validator.fits(value)) continue;  // one bound of a number beyond the other
      ++values;
      ASSERT_TRUE(takes(grammar, value.dump())) << value.dump() << "\n" << schema.dump();
      const std::string lines = value.dump(2);
      if (lines.find("\n" + std::string(21, ' ')) != std::string::npos) continue;
      ASSERT_TRUE(takes(grammar, lines)) << lines << "\n" << schema.dump();
    }
  }
  EXPECT_GT(walks, 2000);
  EXPECT_GT(values, 2000);
}

}  // namespace
}  // namespace falconer::test
