#include "text/unicode.h"

#include <gtest/gtest.h>

namespace falconer::test {
namespace {

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
