// What a run says on a terminal while it trains.
#include <gtest/gtest.h>

#include "train/metrics.h"

namespace falconer::test {
namespace {

const BarFacts kFacts{.step = 12,
                      .total = 57,
                      .loss = 1.23456,
                      .lr = 3e-4,
                      .tokens_per_second = 1234.5,
                      .seconds_left = 65};

TEST(BarLine, AllOfItWhereThereIsRoom) {
  EXPECT_EQ(
      bar_line(kFacts, 100),
      "[=====                   ] step 12/57  loss 1.2346  1:05 left  1234 tokens/s  lr 3.0e-04");
}

TEST(BarLine, WhatMattersMostStays) {
  EXPECT_EQ(bar_line(kFacts, 40), "step 12/57  loss 1.2346  1:05 left");
  EXPECT_EQ(bar_line(kFacts, 48), "[==        ] step 12/57  loss 1.2346  1:05 left");
  EXPECT_EQ(bar_line(kFacts, 24), "step 12/57  loss 1.2346");
  EXPECT_EQ(bar_line(kFacts, 11), "step 12/57");
}

TEST(BarLine, IsNeverAsWideAsTheTerminal) {
  for (size_t columns = 1; columns < 200; ++columns)
    EXPECT_LT(bar_line(kFacts, columns).size(), columns) << columns;
}

}  // namespace
}  // namespace falconer::test
