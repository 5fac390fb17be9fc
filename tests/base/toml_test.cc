// Recipes' TOML: what is understood, and that everything else is an error with its place.
#include "base/toml.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

std::vector<TomlEntry> parse(std::string_view text) { return parse_toml(text, "r.toml"); }

TEST(Toml, ReadsEveryKindOfValue) {
  const auto entries = parse(
      "\xEF\xBB\xBF# a comment\n\n"
      "text = \"a # b, c = d\" # behind it\r\n"
      "'quoted key' = 'C:\\x'\n"
      "lr = 3e-4\n"
      "steps = 52_000\n"
      "alpha = +16.5\n"
      "negative = -1\n"
      "flag = true\n"
      "list = [ \"q\", # one\n  \"v\",\n]\n"
      "empty = []\n"
      "last = \"\\u00e9\\n\\\"\\\\\\U0001F600\"");
  ASSERT_EQ(entries.size(), 10u);
  EXPECT_EQ(entries[0].values, (std::vector<std::string>{"a # b, c = d"}));
  EXPECT_EQ(entries[0].line, 3);
  EXPECT_EQ(entries[1].key, "quoted key");
  EXPECT_EQ(entries[1].values[0], "C:\\x");
  EXPECT_EQ(entries[2].values[0], "3e-4");
  EXPECT_EQ(entries[3].values[0], "52000");
  EXPECT_EQ(entries[4].values[0], "16.5");
  EXPECT_EQ(entries[5].values[0], "-1");
  EXPECT_EQ(entries[6].values[0], "true");
  EXPECT_TRUE(entries[7].array);
  EXPECT_EQ(entries[7].values, (std::vector<std::string>{"q", "v"}));
  EXPECT_TRUE(entries[8].values.empty());
  EXPECT_EQ(entries[9].values[0], "\xC3\xA9\n\"\\\xF0\x9F\x98\x80");
  EXPECT_EQ(entries[9].line, 14);
}

TEST(Toml, WhatIsNotUnderstoodIsAnErrorWithItsLine) {
  for (const char* text : {"\n\n[table]\nx = 1",
                           "\n\nx",
                           "\n\nx = ",
                           "\n\nx = abc",
                           "\n\nx = \"open",
                           "\n\nx = 1 2",
                           "\n\nx = 1\nx = 2\n",
                           "\n\nx = [1, 2",
                           "\n\nx = [[1]]",
                           "\n\nx = [1 2]",
                           "\n\n= 1",
                           "\n\na.b = 1",
                           "\n\nx = 1_",
                           "\n\nx = .5",
                           "\n\nx = 5.",
                           "\n\nx = 0x10",
                           "\n\nx = 1e",
                           "\n\nx = \"\\q\"",
                           "\n\nx = \"\\ud800\"",
                           "\n\nx = \"\\u12\"",
                           "\n\nx = \"\\",
                           "\n\nx = \"\"\"y\"\"\"",
                           "\n\nx = 2023-06-14",
                           "\n\nx = \"a\x01\"",
                           "\n\nx = --1",
                           "\n\nx = \"\\U00110000\"",
                           "\n\nx == 1",
                           "\n\nx = ,"}) {
    const std::string message = message_of([&] { parse(text); });
    EXPECT_TRUE(message.find("r.toml:3:") == 0 || message.find("r.toml:4:") == 0)
        << text << " gives: " << message;
  }
}

TEST(Toml, WrittenTextReadsBackWhateverItHolds) {
  const RandomStream random(7, RandomPurpose::kTest);
  uint64_t next = 0;
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (uint64_t n = random.below(next++, 20); n > 0; --n)
      text += static_cast<char>(random.below(next++, 256));
    const auto entries = parse("x = " + toml_string(text) + " # end\n");
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].values[0], text);
  }
}

TEST(Toml, RandomBytesNeverDoMoreThanFail) {
  const RandomStream random(8, RandomPurpose::kTest);
  constexpr std::string_view kLetters = "ab=\"'[],#\n\r\\u0 1e-_.\t{}\xff";
  uint64_t next = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (uint64_t n = random.below(next++, 30); n > 0; --n)
      text += kLetters[random.below(next++, kLetters.size())];
    try {
      parse(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), kExitUsage);
    }
  }
}

TEST(Toml, AFileThatIsMissingIsNamed) {
  const TempFolder folder;
  expect_mentions(message_of([&] { read_toml(folder / "none.toml"); }), {"none.toml"});
}

}  // namespace
}  // namespace falconer::test
