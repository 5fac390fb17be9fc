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
    for (std::string line; std::getline(lines, line);)
      EXPECT_LE(columns_of(line), columns) << line;
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

}  // namespace
}  // namespace falconer::test
