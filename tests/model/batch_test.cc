// Rows that are computed together know nothing of each other: their loss is the sum of their losses
// alone, and training with --packing learns what training row by row learns.
#include <gtest/gtest.h>

#include "base/file.h"
#include "support/errors.h"
#include "support/tiny_session.h"

namespace falconer::test {
namespace {

TEST(Packing, TheLossIsTheSumOfTheRowsAlone) {
  const TinyRun run({.init_std = 0.2});
  const std::vector<Row> rows = rows_of(run);
  for (const MethodOptions& method : all_methods()) {
    const auto session = open_training(run, method);
    move_away(*session, batch_of(rows));
    session->run().training = false;
    double alone = 0;
    int64_t count = 0;
    for (const Row& row : rows) {
      const LossSum one = loss_of(*session, batch_of({row}));
      alone += one.sum;
      count += one.count;
    }
    const LossSum packed = loss_of(*session, batch_of(rows));
    EXPECT_EQ(packed.count, count) << name_of(method);
    EXPECT_NEAR(packed.sum, alone, 1e-6 * alone) << name_of(method);
  }
}

TEST(Packing, GradientsAreTheSumOfTheRowsAlone) {
  const TinyRun run({.init_std = 0.2});
  const std::vector<Row> rows = rows_of(run);
  for (MethodOptions method : all_methods()) {
    method.lora_dropout = 0;
    const auto session = open_training(run, method);
    move_away(*session, batch_of(rows));
    const auto& params = session->method()->params();
    const auto accumulate = [&](const std::vector<Row>& together) {
      const BatchBuffer batch = batch_of(together);
      const auto pass = [&](falconer::Run& r) { session->decoder().train(r, batch.batch(), 1); };
      session->reserve(pass);
      pass(session->run());
    };
    clear_gradients(*session);
    for (const Row& row : rows) accumulate({row});
    std::vector<std::vector<float>> alone;
    for (const Param* param : params) {
      const float* values = param->grad.row<float>(0);
      alone.emplace_back(values, values + param->size());
    }
    clear_gradients(*session);
    accumulate(rows);
    for (size_t p = 0; p < params.size(); ++p) {
      double largest = 0, worst = 0;
      for (size_t i = 0; i < alone[p].size(); ++i) {
        largest = std::max(largest, std::fabs(static_cast<double>(alone[p][i])));
        worst = std::max(
            worst, std::fabs(static_cast<double>(alone[p][i]) - params[p]->grad.row<float>(0)[i]));
      }
      EXPECT_LE(worst, 2e-5 * largest + 1e-7) << name_of(method) << " " << params[p]->name;
    }
  }
}

TEST(Packing, TrainingIsThatOfSingleRows) {
  const TinyRun run({.init_std = 0.2});
  FinetuneOptions o = run.options("lora", "single");
  o.micro_batch_size = 1;
  o.lora_dropout = 0.1;  // masks belong to a step's tokens, however they are cut
  finetune(o);
  o.out = run.path("packed").string();
  o.packing = true;
  o.max_seq_length = 64;
  finetune(o);
  const std::vector<double> single = losses(run.path("single")),
                            packed = losses(run.path("packed"));
  ASSERT_EQ(single.size(), 4u);
  ASSERT_EQ(packed.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(packed[i], single[i], 2e-5 * single[i]) << i;
  o.loss_average = "micro-batch";
  o.out = run.path("none").string();
  expect_mentions(message_of([&] { finetune(o); }), {"--packing", "--loss-average"});
}

TEST(Packing, IsRecordedWithTheRun) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "packed");
  o.packing = true;
  o.max_seq_length = 40;
  o.max_steps = 1;
  finetune(o);
  const std::string recipe = read_text_file(run.path("packed") / "recipe.toml");
  for (const char* line : {"packing = true\n", "micro-batch-tokens = 40\n"})
    EXPECT_NE(recipe.find(line), std::string::npos) << line;
  expect_mentions(plan(o).text, {"micro-batches of 40 tokens"});
}

}  // namespace
}  // namespace falconer::test
