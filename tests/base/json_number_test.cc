#include "base/json_number.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/errors.h"

namespace falconer::test {
namespace {

using nlohmann::json;

const char* const kStrange[] = {"2.5",
                                "true",
                                "\"3\"",
                                "[3]",
                                "{}",
                                "1e30",
                                "-0.5",
                                "18446744073709551516",
                                "18446744073709551616"};

TEST(JsonNumber, WholeNumbersAreExactAndInRange) {
  const auto read = [](const char* text) { return whole_number(json::parse(text), "n"); };
  EXPECT_EQ(read("0"), 0);
  EXPECT_EQ(read("-1"), -1);
  EXPECT_EQ(read("2.0"), 2);
  EXPECT_EQ(read("1e3"), 1000);
  EXPECT_EQ(read("4294967297"), 4294967297);              // 2^32 + 1
  EXPECT_EQ(read("9007199254740993"), 9007199254740993);  // 2^53 + 1
  EXPECT_EQ(read("9223372036854775807"), INT64_MAX);
  for (const char* text : {"9223372036854775808", "9007199254740994.0", "null"})
    EXPECT_THROW(read(text), Error) << text;
  for (const char* text : kStrange) EXPECT_THROW(read(text), Error) << text;
  EXPECT_EQ(message_of([] {
              whole_number(json(4097), "r", {1, 4096}, "a.json");
            }),
            "a.json: \"r\" is 4097; expected a whole number from 1 to 4096");
  EXPECT_EQ(message_of([] { whole_number(json("3"), "id", kNotNegative); }),
            "\"id\" is \"3\"; expected a whole number of 0 or more");
}

TEST(JsonNumber, SeedsHaveSixtyFourBits) {
  EXPECT_EQ(unsigned_number(json::parse("18446744073709551516"), "seed"), 18446744073709551516U);
  for (const char* text : {"-1", "18446744073709551616", "2.5", "true", "\"3\"", "null"})
    EXPECT_THROW(unsigned_number(json::parse(text), "seed"), Error) << text;
}

TEST(JsonNumber, RealsAreFiniteNumbers) {
  EXPECT_EQ(real_number(json::parse("3"), "x"), 3);
  EXPECT_EQ(real_number(json::parse("1e-400"), "x"), 0);
  EXPECT_THROW(real_number(json(std::numeric_limits<double>::infinity()), "x"), Error);
  EXPECT_THROW(real_number(json(std::nan("")), "x"), Error);
  for (const char* text : {"true", "\"3\"", "null", "[]"})
    EXPECT_THROW(real_number(json::parse(text), "x"), Error) << text;
  EXPECT_EQ(message_of([] { real_number(json(1.5), "p", {.least = 0, .most = 1}, "c.json"); }),
            "c.json: \"p\" is 1.5; expected a number from 0 to 1");
}

TEST(JsonNumber, MembersByTheirNames) {
  const auto object = nlohmann::ordered_json::parse(
      R"({"n_layer": 4, "lr": 0.5, "none": null, "on": true, "name": "x", "ids": [1, 2], "bad": [1, true]})");
  const JsonFields fields(object, "f.json");
  EXPECT_EQ(fields.required_whole({"num_hidden_layers", "n_layer"}), 4);
  EXPECT_EQ(fields.whole("none"), std::nullopt);
  EXPECT_EQ(fields.whole("absent"), std::nullopt);
  EXPECT_EQ(fields.real("lr"), 0.5);
  EXPECT_EQ(fields.boolean("on"), true);
  EXPECT_EQ(fields.text("name"), "x");
  EXPECT_EQ(fields.wholes("ids"), (std::vector<int64_t>{1, 2}));
  EXPECT_TRUE(fields.wholes("absent").empty());
  expect_mentions(message_of([&] {
                    fields.required_whole("none", {1, 9});
                  }),
                  {"f.json", "\"none\" is missing", "1 to 9"});
  expect_mentions(message_of([&] { fields.whole("on"); }), {"f.json", "\"on\" is true"});
  expect_mentions(message_of([&] { fields.boolean("n_layer"); }),
                  {"\"n_layer\" is 4", "true or false"});
  expect_mentions(message_of([&] { fields.text("n_layer"); }), {"\"n_layer\" is 4", "a text"});
  expect_mentions(message_of([&] { fields.wholes("bad"); }), {"\"bad\" is true"});
  expect_mentions(message_of([&] { fields.wholes("name"); }), {"\"name\" is \"x\"", "a list"});
  const json list = json::array();
  expect_mentions(message_of([&] { JsonFields(list, "g.json"); }),
                  {"g.json", "a list of 0", "object"});
}

}  // namespace
}  // namespace falconer::test
