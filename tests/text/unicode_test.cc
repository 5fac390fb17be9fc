#include "text/unicode.h"

#include <gtest/gtest.h>

namespace falconer::test {
namespace {

const std::string kBad = "\xEF\xBF\xBD";  // U+FFFD

TEST(Unicode, ReplacesTheLongestPartsThatAreNoCharacter) {
  EXPECT_EQ(to_valid_utf8("a\xFFz"), "a" + kBad + "z");
  EXPECT_EQ(to_valid_utf8("\xE2\x82"), kBad) << "one broken character";
  EXPECT_EQ(to_valid_utf8("\xE2\x82z"), kBad + "z");
  EXPECT_EQ(to_valid_utf8("\xC0\x80"), kBad + kBad) << "an overlong form";
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), kBad + kBad + kBad) << "a surrogate";
  EXPECT_EQ(to_valid_utf8("\xF4\x90\x80\x80"), kBad + kBad + kBad + kBad) << "beyond U+10FFFF";
  EXPECT_EQ(to_valid_utf8("Füße 🦅"), "Füße 🦅");
}

TEST(Unicode, KnowsWhatMayStillBecomeACharacter) {
  EXPECT_TRUE(incomplete_utf8("\xE2"));
  EXPECT_TRUE(incomplete_utf8("\xF0\x9F\xA6"));
  EXPECT_FALSE(incomplete_utf8("\xF0\x9F\xA6\x85"));
  EXPECT_FALSE(incomplete_utf8("\xE2z"));
  EXPECT_FALSE(incomplete_utf8("a"));
}

TEST(Unicode, RoundTripsEveryCharacter) {
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

TEST(Unicode, Classes) {
  EXPECT_TRUE(is_letter(U'é') && is_letter(U'中') && !is_letter(U'1') && !is_letter(U'_'));
  EXPECT_TRUE(is_number(U'7') && is_number(U'²') && is_number(U'Ⅷ') && !is_number(U'a'));
  EXPECT_TRUE(is_space(U' ') && is_space(U'\n') && is_space(0x3000) && is_space(0x85));
  EXPECT_FALSE(is_space(0x200B)) << "a zero-width space is no White_Space";
  EXPECT_TRUE(is_punctuation(U'$') && is_punctuation(U'«') && !is_punctuation(U'€'));
  EXPECT_TRUE(is_word(U'_') && is_word(U'9') && !is_word(U'-'));
}

TEST(Unicode, ClassesAreThoseOfTokenizersWhateverTheLibrarysVersion) {
  EXPECT_TRUE(is_punctuation(U'\u00AB') && is_punctuation(U'\u2E42') && is_punctuation(U'\u3002'));
  EXPECT_TRUE(is_punctuation(U'\u166D')) << "no longer, since Unicode 12";
  EXPECT_FALSE(is_punctuation(U'\u061D')) << "only since Unicode 14";
  EXPECT_FALSE(is_punctuation(U'\u2E43')) << "only since Unicode 9";
  EXPECT_TRUE(is_letter(U'\U00031350')) << "Unicode 15";
  EXPECT_TRUE(is_letter(U'\U000105C0')) << "Unicode 16";
  EXPECT_TRUE(is_number(U'\U0001CCF0')) << "Unicode 16";
}

TEST(Unicode, Nfc) {
  EXPECT_EQ(to_nfc("e\u0301"), "\u00E9");
  EXPECT_EQ(to_nfc(std::string("a\0b", 3)), std::string("a\0b", 3));
}

}  // namespace
}  // namespace falconer::test
