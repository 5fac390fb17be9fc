#include "base/number.h"

#include <gtest/gtest.h>

#include <cmath>

namespace falconer::test {
namespace {

TEST(Number, WholeNumbersOfTextAreThatAndNothingElse) {
  EXPECT_EQ(whole_of_text("0"), 0);
  EXPECT_EQ(whole_of_text("+3"), 3);
  EXPECT_EQ(whole_of_text("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(whole_of_text("9007199254740993"), 9007199254740993);  // 2^53 + 1
  EXPECT_EQ(unsigned_of_text("18446744073709551516"), 18446744073709551516U);
  for (const char* text : {"", "+", "+-3", "2.5", "1e3", "true", "0x10", " 3", "3 ", "3x", "null",
                           "9223372036854775808", "18446744073709551516", "nan"})
    EXPECT_EQ(whole_of_text(text), std::nullopt) << text;
  for (const char* text : {"-1", "-0.5", "18446744073709551616", "true", ""})
    EXPECT_EQ(unsigned_of_text(text), std::nullopt) << text;
}

TEST(Number, RealsOfTextAreFinite) {
  EXPECT_EQ(real_of_text("1e-4"), 1e-4);
  EXPECT_EQ(real_of_text(".5"), 0.5);
  EXPECT_EQ(real_of_text("-3"), -3);
  for (const char* text : {"", "nan", "inf", "-inf", "1e400", "-1e400", "true", "1,5", "0.1 "})
    EXPECT_EQ(real_of_text(text), std::nullopt) << text;
}

TEST(Number, RangesHoldTheirEndsUnlessTheyAreOpen) {
  const WholeRange rank{1, 4096};
  EXPECT_TRUE(rank.holds(1) && rank.holds(4096));
  EXPECT_FALSE(rank.holds(0) || rank.holds(4097));
  const RealRange share{.least = 0, .most = 1, .open_most = true};
  EXPECT_TRUE(share.holds(0) && share.holds(0.999));
  EXPECT_FALSE(share.holds(1) || share.holds(-1e-9) || share.holds(std::nan("")));
  EXPECT_FALSE(kAnyReal.holds(INFINITY) || kAnyReal.holds(std::nan("")));
  EXPECT_EQ(expectation(rank), "a whole number from 1 to 4096");
  EXPECT_EQ(expectation(kNotNegative), "a whole number of 0 or more");
  EXPECT_EQ(expectation(share), "a number of 0 or more and below 1");
  EXPECT_EQ(expectation(RealRange{.least = 0, .open_least = true}), "a number above 0");
  EXPECT_EQ(expectation(RealRange{.least = 0, .most = 1}), "a number from 0 to 1");
}

}  // namespace
}  // namespace falconer::test
