#include "generate/sampling.h"

#include <gtest/gtest.h>

#include <set>

namespace falconer::test {
namespace {

// Keeps out defect 20 of docs/defects.md.
TEST(Defects, TopKKeepsExactlyKOfEqualLogits) {
  const std::vector<float> equal(10, 1.5f);
  std::set<int32_t> drawn;
  for (uint64_t i = 0; i < 2000; ++i)
    drawn.insert(sample(equal, {.temperature = 1, .top_k = 3}, 0, i));
  EXPECT_EQ(drawn, (std::set<int32_t>{0, 1, 2}));
  // A tie at the threshold: one of the two that share it.
  const std::vector<float> tie = {0, 1, 0.5f, 0.5f};
  drawn.clear();
  for (uint64_t i = 0; i < 2000; ++i)
    drawn.insert(sample(tie, {.temperature = 1, .top_k = 2}, 0, i));
  EXPECT_EQ(drawn, (std::set<int32_t>{1, 2}));
}

}  // namespace
}  // namespace falconer::test
