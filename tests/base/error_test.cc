#include "base/error.h"

#include <gtest/gtest.h>

#include <string>

namespace falconer {
namespace {

TEST(Check, NamesTheConditionFileAndLine) {
  const int two = 2;
  try {
    FALCONER_CHECK(two == 3);
    FAIL() << "went on";
  } catch (const InternalError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("two == 3"), std::string::npos) << message;
    EXPECT_NE(message.find(fmt::format("error_test.cc:{}", __LINE__ - 5)), std::string::npos)
        << message;
  }
}

TEST(Check, StaysOnInReleaseAndEvaluatesOnce) {
  int evaluated = 0;
  FALCONER_CHECK(++evaluated == 1);
  EXPECT_EQ(evaluated, 1);
}

// One statement: an else after it belongs to the if before it.
TEST(Check, IsOneStatement) {
  bool other = false;
  if (thread_local bool never = false; never)
    FALCONER_CHECK(false);
  else
    other = true;
  EXPECT_TRUE(other);
}

TEST(Fail, FormatsAndSaysWhoIsToBlame) {
  try {
    fail("{}: expected {}, found {}", "a.json", 3, 4);
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "a.json: expected 3, found 4");
    EXPECT_EQ(error.exit_code(), kExitFailure);
  }
  try {
    fail_usage("--lr: {}", -1);
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "--lr: -1");
    EXPECT_EQ(error.exit_code(), kExitUsage);
  }
}

TEST(Printable, KeepsTerminalsSafe) {
  EXPECT_EQ(printable("transformer.h.0"), "transformer.h.0");
  EXPECT_EQ(printable("a\x1b[2J\n\xc2\x9b\x7f"), "a?[2J????");
  EXPECT_EQ(printable(std::string(1000, 'x')).size(), 163u);
}

// Wrong code must not be caught where wrong input is reported.
TEST(InternalError, IsNotAnError) { EXPECT_FALSE((std::is_base_of_v<Error, InternalError>)); }

}  // namespace
}  // namespace falconer
