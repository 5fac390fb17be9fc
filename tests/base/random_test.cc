#include "base/random.h"

#include <gtest/gtest.h>

#include <cmath>

namespace falconer {
namespace {

// Known answers of the Random123 library's kat_vectors file for philox4x32 with 10 rounds.
TEST(Philox, MatchesRandom123KnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, PurposesAndCoordinatesAreIndependent) {
  const RandomStream a(7, RandomPurpose::kDropout, 1, 2), b(7, RandomPurpose::kInit, 1, 2),
      c(7, RandomPurpose::kDropout, 2, 1);
  EXPECT_NE(a.word(0), b.word(0));
  EXPECT_NE(a.word(0), c.word(0));
}

TEST(RandomStream, NormalHasUnitVariance) {
  const RandomStream stream(3, RandomPurpose::kTest);
  double sum = 0, squares = 0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const double x = stream.normal(i);
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kCount, 0, 0.02);
  EXPECT_NEAR(squares / kCount, 1, 0.02);
}

TEST(RandomStream, BelowStaysBelowAndReachesAll) {
  const RandomStream stream(3, RandomPurpose::kTest);
  int seen[7] = {};
  for (int i = 0; i < 7000; ++i) seen[stream.below(i, 7)]++;
  for (int count : seen) EXPECT_NEAR(count, 1000, 150);
}

}  // namespace
}  // namespace falconer
