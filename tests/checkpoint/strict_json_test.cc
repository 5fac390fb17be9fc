#include "checkpoint/strict_json.h"

#include "support/errors.h"

namespace falconer::test {
namespace {

TEST(StrictJson, ReadsPlainJson) {
  EXPECT_EQ(parse_strict_json(R"( {"a": [1, {"b": 2}], "c": {"b": 3}} )")["c"]["b"], 3);
  EXPECT_EQ(parse_strict_json(R"([{"a": 1}, {"a": 2}])").size(), 2u) << "two objects, one key each";
  EXPECT_EQ(parse_strict_json("[[[[[[[[1]]]]]]]]").size(), 1u);
}

TEST(StrictJson, RefusesDeepNesting) {
  for (const size_t depth : {size_t{9}, size_t{1'000'000}}) {
    expect_mentions(message_of([&] { parse_strict_json(std::string(depth, '[')); }), {"nested"});
    std::string objects;
    for (size_t i = 0; i < depth; ++i) objects += R"({"a":)";
    expect_mentions(message_of([&] { parse_strict_json(objects); }), {"nested"});
  }
}

TEST(StrictJson, RefusesKeysThatComeTwice) {
  expect_mentions(message_of([] { parse_strict_json(R"({"a": 1, "b": 2, "a": 3})"); }),
                  {"\"a\" is there twice"});
  expect_mentions(message_of([] { parse_strict_json(R"({"x": [{"a": 1, "\u0061": 3}]})"); }),
                  {"\"a\" is there twice"});
}

TEST(StrictJson, RefusesWhatIsNotJson) {
  for (const char* text : {"", "{", "{\"a\"}", "nul", "{} {}", "\"\xff\"", "[1,]", "\xef\xbb\xbf"})
    expect_mentions(message_of([&] { parse_strict_json(text); }), {"not JSON"});
}

}  // namespace
}  // namespace falconer::test
