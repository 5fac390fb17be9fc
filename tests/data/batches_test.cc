// Micro-batches by tokens: the same rows in the same order, cut where they are full.
#include "data/batches.h"

#include <gtest/gtest.h>

#include <limits>

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

TEST(StepPlan, RanksShareAStepByTokens) {
  std::vector<size_t> lengths;
  for (size_t i = 0; i < 500; ++i) lengths.push_back(1 + i * i % 97);
  const std::vector<Row> rows = rows_of(lengths);
  for (const int ranks : {1, 2, 3, 7, 60})
    for (const int64_t tokens : {0, 150}) {
      StepPlanOptions options{
          .batch_size = 48, .micro_batch_size = 4, .micro_batch_tokens = tokens};
      options.ranks = ranks;
      const StepPlan plan(rows, options);
      const StepPlan::Largest largest = plan.largest_micro_batch();
      for (int64_t step = 1; step <= plan.total_steps(); ++step) {
        std::vector<int64_t> alone, shared;
        for (const auto& micro : plan.step(step))
          alone.insert(alone.end(), micro.begin(), micro.end());
        int64_t before = 0, most = 0;
        const auto rounds = plan.shares(step);
        for (const auto& round : rounds) {
          ASSERT_EQ(std::ssize(round), ranks);
          for (const MicroBatch& micro : round) {
            EXPECT_EQ(micro.first_token, before);
            EXPECT_TRUE(std::ssize(micro.rows) <= 4 || tokens > 0);
            EXPECT_TRUE(tokens == 0 || micro.tokens <= tokens || micro.rows.size() == 1);
            EXPECT_LE(micro.tokens, largest.tokens);
            before += micro.tokens;
            most = std::max(most, micro.tokens);
            shared.insert(shared.end(), micro.rows.begin(), micro.rows.end());
          }
        }
        ASSERT_EQ(alone, shared) << "the same rows in the same order";
        // No share is larger than an even one by more than the longest row.
        const auto parts = std::ssize(rounds) * ranks;
        EXPECT_TRUE(tokens > 0 || most <= before / parts + 1 + 4 * 97);
      }
    }
  // As even as consecutive rows allow.
  const std::vector<Row> few = rows_of({10, 1, 1, 1, 1, 10});
  const StepPlan plan(few, {.batch_size = 6, .micro_batch_size = 4, .shuffle = false, .ranks = 2});
  ASSERT_EQ(plan.shares(1).size(), 1u);
  EXPECT_EQ(plan.shares(1)[0][0].tokens, 12);
  EXPECT_EQ(plan.shares(1)[0][1].tokens, 12);
}

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();

TEST(StepPlan, HugeCountsMeanWhatTheySay) {
  const std::vector<Row> rows = rows_of({3, 4, 5});
  for (const int64_t huge : {int64_t{1} << 31, (int64_t{1} << 53) + 1, kHuge}) {
    const StepPlan all(rows, {.batch_size = huge, .micro_batch_size = huge, .epochs = 2});
    EXPECT_EQ(all.total_steps(), 2);
    EXPECT_EQ(all.step(2).size(), 1u);
    EXPECT_EQ(all.step(2)[0].size(), 3u);
    EXPECT_EQ(all.largest_micro_batch().tokens, 12);
    const StepPlan packed(rows, {.batch_size = 2, .micro_batch_tokens = huge});
    EXPECT_EQ(packed.step(1).size(), 1u);
  }
  for (const int64_t most : {kMostSteps + 1, kHuge}) {
    const auto build = [&](StepPlanOptions options) { StepPlan(rows, options); };
    expect_mentions(message_of([&] { build({.max_steps = most}); }), {"--max-steps"});
    expect_mentions(message_of([&] { build({.batch_size = 1, .epochs = most / 2}); }),
                    {"--epochs"});
  }
  EXPECT_EQ(StepPlan(rows, {.batch_size = 3, .epochs = kMostSteps}).total_steps(), kMostSteps);
}

// A run that somebody ends by hand: nothing is held or gone through for each of its steps.
TEST(StepPlan, ARunWithoutAnEndBeginsAtOnce) {
  std::vector<size_t> lengths;
  for (size_t i = 0; i < 3000; ++i) lengths.push_back(1 + i * i % 97);
  const std::vector<Row> rows = rows_of(lengths);
  for (const int64_t tokens : {0, 200}) {
    StepPlanOptions options{
        .batch_size = 48, .micro_batch_tokens = tokens, .max_steps = kMostSteps};
    const StepPlan endless(rows, options);
    const StepPlan::Largest largest = endless.largest_micro_batch();
    options.max_steps = 300;
    const StepPlan::Largest seen = StepPlan(rows, options).largest_micro_batch();
    EXPECT_LE(seen.tokens, largest.tokens) << tokens;
    EXPECT_LE(seen.targets, largest.targets) << tokens;
    EXPECT_LE(largest.tokens, tokens == 0 ? 4 * 97 : 200);
    EXPECT_EQ(std::ssize(endless.step(kMostSteps)) > 0, true);
  }
}

}  // namespace
}  // namespace falconer::test
