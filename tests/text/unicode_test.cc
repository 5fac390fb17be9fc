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

TEST(Unicode, NormalForms) {
  const auto nfc = [](std::string_view text) { return to_normal_form(text, NormalForm::kNfc); };
  EXPECT_EQ(nfc("e\u0301"), "\u00E9");
  EXPECT_EQ(nfc(std::string("a\0b", 3)), std::string("a\0b", 3));
  EXPECT_EQ(to_normal_form("\u1E9B\u0323", NormalForm::kNfd), "\u017F\u0323\u0307");
  EXPECT_EQ(to_normal_form("\uFB01\u1E9B\u0323", NormalForm::kNfkc), "fi\u1E69");
  EXPECT_EQ(to_normal_form("\u00BD\uAC01", NormalForm::kNfkd), "1\u20442\u1100\u1161\u11A8");
  EXPECT_EQ(to_normal_form("\u32FF", NormalForm::kNfkd), "\u32FF") << "only since Unicode 12";
  EXPECT_EQ(nfc("\U00011935\U00011930"), "\U00011935\U00011930") << "only since Unicode 13";
}

TEST(Unicode, LowerCaseAndMarks) {
  EXPECT_EQ(to_lower_case("AZ\u00C4\u03A3\u0130\u01C5\U00010D50\uA7DC1"),
            "az\u00E4\u03C3i\u0307\u01C6\U00010D70\u019B1");
  EXPECT_TRUE(is_mark(0x301) && is_mark(0x1CF2) && !is_mark(0xC04) && !is_mark(U'a'));
  EXPECT_TRUE(is_word(0x200D) && is_word(0x24B6) && !is_word(U'\u00BD'));
}

}  // namespace
}  // namespace falconer::test
