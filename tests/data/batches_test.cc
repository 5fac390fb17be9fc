// Micro-batches by tokens: the same rows in the same order, cut where they are full.
#include "data/batches.h"

#include <gtest/gtest.h>

#include "support/errors.h"

namespace falconer::test {
namespace {

std::vector<Row> rows_of(const std::vector<size_t>& lengths) {
  std::vector<Row> rows;
  for (const size_t length : lengths)
    rows.push_back(
        {.ids = std::vector<int32_t>(length, 1), .labels = std::vector<int32_t>(length, 1)});
  return rows;
}

TEST(StepPlan, RowsShareAMicroBatchUntilItIsFull) {
  const std::vector<Row> rows = rows_of({3, 4, 5, 1, 20, 2, 2, 2});
  const StepPlan plan(rows, {.batch_size = 7, .micro_batch_tokens = 8, .shuffle = false});
  using Cut = std::vector<std::vector<int64_t>>;
  EXPECT_EQ(plan.step(1), (Cut{{0, 1}, {2, 3}, {4}, {5, 6}})) << "a longer row stands alone";
  EXPECT_EQ(plan.step(2), (Cut{{7}})) << "a step's rows never mix with the next one's";
  EXPECT_EQ(plan.largest_micro_batch().tokens, 20);
}

TEST(StepPlan, HowAStepIsCutChangesNoRow) {
  std::vector<size_t> lengths;
  for (size_t i = 0; i < 500; ++i) lengths.push_back(1 + i * i % 97);
  const std::vector<Row> rows = rows_of(lengths);
  StepPlanOptions options{.batch_size = 48, .epochs = 2, .seed = 3};
  const StepPlan plain(rows, options);
  options.micro_batch_tokens = 256;
  const StepPlan packed(rows, options);
  ASSERT_EQ(packed.total_steps(), plain.total_steps());
  size_t plain_batches = 0, packed_batches = 0;
  for (int64_t step = 1; step <= plain.total_steps(); ++step) {
    std::vector<int64_t> a, b;
    for (const auto& micro : plain.step(step)) a.insert(a.end(), micro.begin(), micro.end());
    for (const auto& micro : packed.step(step)) {
      int64_t tokens = 0;
      for (const int64_t row : micro) tokens += std::ssize(rows[static_cast<size_t>(row)].ids);
      EXPECT_TRUE(tokens <= 256 || micro.size() == 1);
      b.insert(b.end(), micro.begin(), micro.end());
    }
    ASSERT_EQ(a, b);
    plain_batches += plain.step(step).size();
    packed_batches += packed.step(step).size();
  }
  EXPECT_LT(packed_batches, plain_batches);
  options.micro_batch_tokens = -1;
  expect_mentions(message_of([&] { StepPlan(rows, options); }), {"--micro-batch-tokens", "-1"});
}

}  // namespace
}  // namespace falconer::test
