#include "base/utf8.h"

#include <gtest/gtest.h>

namespace falconer::test {
namespace {

const std::string kBad = "\xEF\xBF\xBD";  // U+FFFD

TEST(Utf8, ReplacesTheLongestPartsThatAreNoCharacter) {
  EXPECT_EQ(to_valid_utf8("a\xFFz"), "a" + kBad + "z");
  EXPECT_EQ(to_valid_utf8("\xE2\x82"), kBad) << "one broken character";
  EXPECT_EQ(to_valid_utf8("\xE2\x82z"), kBad + "z");
  EXPECT_EQ(to_valid_utf8("\xC0\x80"), kBad + kBad) << "an overlong form";
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), kBad + kBad + kBad) << "a surrogate";
  EXPECT_EQ(to_valid_utf8("\xF4\x90\x80\x80"), kBad + kBad + kBad + kBad) << "beyond U+10FFFF";
  EXPECT_EQ(to_valid_utf8("Füße 🦅"), "Füße 🦅");
}

TEST(Utf8, KnowsWhatMayStillBecomeACharacter) {
  EXPECT_TRUE(incomplete_utf8("\xE2"));
  EXPECT_TRUE(incomplete_utf8("\xF0\x9F\xA6"));
  EXPECT_FALSE(incomplete_utf8("\xF0\x9F\xA6\x85"));
  EXPECT_FALSE(incomplete_utf8("\xE2z"));
  EXPECT_FALSE(incomplete_utf8("a"));
}

TEST(Utf8, RoundTripsEveryCharacter) {
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    std::string text;
    append_utf8(text, code);
    ASSERT_EQ(valid_utf8_prefix(text), text.size());
    const Utf8Char decoded = decode_utf8(text, 0);
    ASSERT_EQ(decoded.code, code);
    ASSERT_EQ(decoded.length, text.size());
  }
}

}  // namespace
}  // namespace falconer::test
