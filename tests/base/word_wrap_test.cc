#include "base/word_wrap.h"

#include <gtest/gtest.h>

#include "base/plural.h"
#include "base/terminal.h"

namespace falconer::test {
namespace {

std::string wrapped_in_pieces(std::string_view text, size_t columns, size_t piece,
                              size_t column = 0) {
  WordWrap wrap(columns, column);
  std::string out;
  for (size_t at = 0; at < text.size(); at += piece) out += wrap.add(text.substr(at, piece));
  return out + wrap.end();
}

TEST(WordWrap, BreaksBetweenWordsHoweverTheTextComes) {
  const std::string text =
      "The owl sleeps by the lake all day.\n\n  indented text stays, and wraps";
  for (const size_t piece : {1, 2, 3, 7, 100})
    EXPECT_EQ(wrapped_in_pieces(text, 16, piece),
              "The owl sleeps\nby the lake all\nday.\n\n  indented text\nstays, and wraps")
        << piece;
}

TEST(WordWrap, TheFirstLineMayBeginFurtherRight) {
  EXPECT_EQ(wrapped_in_pieces("one two three", 16, 1, 10), "one\ntwo three");
}

TEST(WordWrap, LeavesTextAsItIsButForTheBreaks) {
  const std::string text = "a  b\nlonger-than-a-line-of-ten c d e f g h \n\tx";
  for (size_t columns = 1; columns < 60; ++columns) {
    std::string made = wrapped_in_pieces(text, columns, 3);
    std::string letters, expected;
    for (const char c : made)
      if (c != ' ' && c != '\n') letters += c;
    for (const char c : text)
      if (c != ' ' && c != '\n') expected += c;
    EXPECT_EQ(letters, expected) << columns;
    for (size_t at = 0; at < made.size();) {
      const size_t end = std::min(made.find('\n', at), made.size());
      const std::string line = made.substr(at, end - at);
      const bool too_long = line.starts_with("longer-than-a-line");  // the terminal breaks it
      EXPECT_TRUE(too_long || line.size() <= std::max<size_t>(columns, 3)) << line;
      at = end + 1;
    }
  }
}

TEST(WordWrap, AWordIsHeldBackUntilItEnds) {
  WordWrap wrap(80);
  EXPECT_EQ(wrap.add("Say hel"), "Say");
  EXPECT_EQ(wrap.add("lo"), "");
  EXPECT_EQ(wrap.add(" to"), " hello");
  EXPECT_EQ(wrap.end(), " to");
  EXPECT_EQ(wrap.end(), "");
}

TEST(Plural, OneIsOne) {
  EXPECT_EQ(plural(1, "row"), "row");
  EXPECT_EQ(plural(0, "row"), "rows");
  EXPECT_EQ(plural(size_t{2}, "row has", "rows have"), "rows have");
  EXPECT_EQ(plural(1, "row has", "rows have"), "row has");
}

}  // namespace
}  // namespace falconer::test
