#include "train/spike_guard.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/errors.h"

namespace falconer::test {
namespace {

SpikeGuard after(int64_t steps) {
  SpikeGuard guard;
  for (int64_t i = 0; i < steps; ++i)
    guard.add(2 + 0.1 * static_cast<double>(i % 3), 1 + 0.2 * static_cast<double>(i % 5));
  return guard;
}

TEST(SpikeGuard, SaysNothingBeforeItKnowsWhatIsUsual) {
  EXPECT_FALSE(after(7).judge(100, 100));
  EXPECT_TRUE(after(8).judge(100, 100));
}

TEST(SpikeGuard, NamesTheLossOrTheGradientThatIsFarAboveTheMedian) {
  const SpikeGuard guard = after(20);  // medians 2.1 and 1.4
  EXPECT_FALSE(guard.judge(4.1, 13.9));
  expect_mentions(guard.judge(4.3, 1).value_or(""), {"loss is 4.3", "2.1"});
  expect_mentions(guard.judge(2, 14.1).value_or(""), {"gradient norm is 14.1", "1.4"});
}

TEST(SpikeGuard, ForgetsWhatIsLongAgo) {
  SpikeGuard guard = after(8);
  for (int i = 0; i < 32; ++i) guard.add(20, 1);
  EXPECT_FALSE(guard.judge(39, 1));
  EXPECT_EQ(guard.recent().losses.size(), 32u);
}

TEST(SpikeGuard, TinyLossesMayJump) {
  SpikeGuard guard;
  for (int i = 0; i < 20; ++i) guard.add(0.0002, 0.001);
  EXPECT_FALSE(guard.judge(0.0009, 0.001));
  EXPECT_FALSE(guard.judge(0.0009, 0.02)) << "its gradient is as small as its loss";
  EXPECT_FALSE(guard.judge(0.09, 0.001));
  expect_mentions(guard.judge(0.11, 0.001).value_or(""), {"loss is 0.11", "0.0002"});
  expect_mentions(guard.judge(0.06, 0.02).value_or(""), {"gradient norm is 0.02"});
}

TEST(SpikeGuard, JudgesTheSameOnceItIsRestored) {
  const SpikeGuard before = after(20);
  SpikeGuard restored;
  restored.restore(before.recent());
  EXPECT_EQ(before.judge(4.3, 1), restored.judge(4.3, 1));
}

TEST(SpikeGuard, AnUnknownNameIsAUsageError) {
  expect_mentions(message_of([] { parse_on_spike("stop"); }), {"stop", "warn", "skip", "off"});
}

}  // namespace
}  // namespace falconer::test
