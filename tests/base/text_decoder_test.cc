#include "base/text_decoder.h"

#include <gtest/gtest.h>

#include "support/errors.h"

namespace falconer::test {
namespace {

/// In pieces of `piece` bytes, whose ends may cut characters.
std::string decoded(const std::string& encoding, const std::string& bytes, size_t piece) {
  TextDecoder decoder(find_encoding(encoding));
  std::string out, waiting;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    waiting += bytes.substr(at, piece);
    const bool last = at + piece >= bytes.size();
    waiting.erase(0, decoder.decode(std::as_bytes(std::span(waiting)), last, out));
  }
  return out;
}

TEST(TextDecoder, ReadsWhatPeopleHave) {
  using namespace std::string_literals;
  const struct {
    const char* encoding;
    std::string bytes, text;
  } cases[] = {{"latin1", "\xe4\xf6", "äö"},
               {"latin-1", "Gr\xfc\xdf"s + "e", "Grüße"},
               {"ISO-8859-15", "\xa4", "€"},
               {"cp1252", "\x80\x93", "€“"},
               {"utf-16", "\xFF\xFE\xe4\0a\0"s, "äa"},
               {"utf-16", "\xFE\xFF\0\xe4\0a"s, "äa"},
               {"utf-16-le", "\x3d\xd8\x00\xde"s, "😀"},
               {"utf-16-be", "\xd8\x3d\xde\x00"s, "😀"},
               {"gbk", "\xc4\xe3\xba\xc3", "你好"},
               {"shift_jis", "\x82\xa0", "あ"},
               {"euc-kr", "\xb0\xa1", "가"},
               {"koi8-r", "\xc4\xc1", "да"}};
  for (const auto& c : cases)
    for (size_t piece = 1; piece <= c.bytes.size(); ++piece)
      EXPECT_EQ(decoded(c.encoding, c.bytes, piece), c.text) << c.encoding << " by " << piece;
}

TEST(TextDecoder, LongTextsGoThroughItsBuffer) {
  std::string latin, utf8;
  for (int i = 0; i < 300'000; ++i) {
    latin += "\xe4";
    utf8 += "ä";
  }
  EXPECT_EQ(decoded("latin1", latin, latin.size()), utf8);
  EXPECT_EQ(decoded("latin1", latin, 4097), utf8);
}

TEST(TextDecoder, Utf8NeedsNone) {
  for (const char* name : {"", "utf-8", "UTF-8", "utf8", "utf-8-sig"})
    EXPECT_EQ(find_encoding(name), "") << name;
}

TEST(TextDecoder, NamesTheByteThatIsNone) {
  expect_mentions(message_of([] { decoded("utf-16-le", std::string("a\0\x00\xdc", 4), 4); }),
                  {"byte 3", "utf-16le"});
  expect_mentions(message_of([] { decoded("utf-16-le", std::string("a\0b", 3), 1); }),
                  {"byte 3", "cut off"});
  expect_mentions(message_of([] { decoded("shift_jis", "ab\x82", 2); }), {"byte 3", "cut off"});
}

// The tables of some encodings have other characters in the places of the backslash and the tilde.
TEST(TextDecoder, JsonStaysJson) {
  for (const char* name : {"shift_jis", "sjis", "ms_kanji", "cp932"})
    EXPECT_EQ(decoded(name, "\\n~\"", 4), "\\n~\"") << name;
  for (const char* name : {"johab", "shift_jisx0213"})
    expect_mentions(message_of([&] { find_encoding(name); }), {name, "backslash", "UTF-8"});
}

TEST(TextDecoder, RefusesOtherNames) {
  for (const char* name : {"nonsense", "latin1//IGNORE", "utf-16//TRANSLIT", "../../x", " "})
    expect_mentions(message_of([&] { find_encoding(name); }), {"--encoding", "iconv -l"});
}

}  // namespace
}  // namespace falconer::test
