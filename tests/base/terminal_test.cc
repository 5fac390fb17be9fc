#include "base/terminal.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

namespace falconer::test {
namespace {

TEST(Wrapped, LinesAreBrokenAtSpaces) {
  EXPECT_EQ(wrapped("one two three four five\n", 20), "one two three four\n  five\n");
  EXPECT_EQ(wrapped("one two three four five", 20), "one two three four\n  five");
  EXPECT_EQ(wrapped("short\n\nlines\n", 20), "short\n\nlines\n");
  EXPECT_EQ(wrapped("", 20), "");
}

TEST(Wrapped, WhatFollowsStandsBelowTheSecondColumn) {
  EXPECT_EQ(wrapped("steps    57 of 16 rows and more of them\n", 30),
            "steps    57 of 16 rows and\n         more of them\n");
  EXPECT_EQ(wrapped("    an indent stays and grows by two\n", 26),
            "    an indent stays and\n      grows by two\n");
  EXPECT_EQ(wrapped("      far to the right of it\n", 30, 6), "      far to the right of it\n");
}

TEST(Wrapped, NoLineIsTooLong) {
  const std::string text =
      "a/very/long/path/that/has/no/space/in/it/and/is/longer/than/the/line: and \u00fcml\u00e4uts "
      "\x1b[33mwarning:\x1b[0m and words";
  for (size_t columns = 4; columns < 100; ++columns) {
    std::istringstream lines(wrapped(text, columns));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(columns_of(line), columns) << line;
  }
}

TEST(Wrapped, WithoutATerminalNothingChanges) {
  const std::string text(5000, 'x');
  EXPECT_EQ(wrapped(text, OutputLook{}.columns), text);
}

TEST(ColumnsOf, CharactersCountAndStylesDoNot) {
  EXPECT_EQ(columns_of("a\u00e9b"), 3u);
  EXPECT_EQ(columns_of("\x1b[1mbold\x1b[0m"), 4u);
}

TEST(Colours, TheEnvironmentDecides) {
  const auto with = [](const char* name, const char* value) {
    ::setenv(name, value, 1);
    const bool yes = takes_colours(-1);  // no terminal
    ::unsetenv(name);
    return yes;
  };
  for (const char* name : {"NO_COLOR", "CLICOLOR_FORCE"}) ::unsetenv(name);
  EXPECT_FALSE(takes_colours(-1));
  EXPECT_TRUE(with("CLICOLOR_FORCE", "1"));
  EXPECT_FALSE(with("CLICOLOR_FORCE", "0"));
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(with("CLICOLOR_FORCE", "1"));
  ::unsetenv("NO_COLOR");
}

TEST(Visible, SpellsWhatCouldCommandATerminal) {
  EXPECT_EQ(visible("\x1b[2J\x1b]0;title\x07"), "\\u001B[2J\\u001B]0;title\\u0007");
  EXPECT_EQ(visible(std::string_view("a\0b\x7f", 4)), "a\\u0000b\\u007F");
  EXPECT_EQ(visible("\xC2\x9B"
                    "31m"),
            "\\u009B31m")
      << "C1: a terminal takes it for ESC [";
  EXPECT_EQ(visible("\xE2\x80\xAE"
                    "txt.exe\xE2\x80\xAC \xE2\x81\xA6x\xE2\x81\xA9"),
            "\\u202Etxt.exe\\u202C \\u2066x\\u2069");
  EXPECT_EQ(visible("over\rwritten\b\b"), "over\\rwritten\\u0008\\u0008");
}

TEST(Visible, LeavesTextAsItIs) {
  for (const char* text :
       {"", "plain", "two\n\tlines\r\n", "Grüße, 世界 🦅", "\xE2\x80\x8D joined"})
    EXPECT_EQ(visible(text), text);
}

TEST(Visible, BytesThatAreNoTextAreSpelledToo) {
  EXPECT_EQ(visible("\x9B"
                    "31m"),
            "\\x9B31m");
  EXPECT_EQ(visible("\xE4\xB8"), "\\xE4\\xB8") << "a character that breaks off";
  EXPECT_EQ(visible("a\xFF"
                    "b"),
            "a\\xFFb");
}

TEST(WithoutControls, EveryOneBecomesAQuestionMark) {
  EXPECT_EQ(without_controls("a\nb\x1b[1m\x7f"), "a?b?[1m?");
  EXPECT_EQ(without_controls("\xC2\x9B\xE2\x80\xAE\x9B"), "???");
  EXPECT_EQ(without_controls("Grüße 世界"), "Grüße 世界");
}

TEST(OnTerminal, StylesOfOurOwnStayAndOthersDoNot) {
  set_output_look({.columns = 80, .styled = true});
  const std::string head = bold("head");
  set_output_look({});
  EXPECT_EQ(on_terminal(head + " \x1b[31mred\x1b[0m\n"),
            "\x1b[1mhead\x1b[0m \\u001B[31mred\\u001B[0m\n");
  EXPECT_EQ(with_styles(head + " \x1b[31m"), "\x1b[1mhead\x1b[0m \x1b[31m");
  EXPECT_EQ(visible(head), "head") << "a log has none";
  EXPECT_EQ(visible("\x1b[1;12mhead"), "\\u001B[1;12mhead")
      << "no text can make itself one of them";
}

}  // namespace
}  // namespace falconer::test
