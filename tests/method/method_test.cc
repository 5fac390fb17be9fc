// What went wrong between forward and backward in Lit-Parrot and LitGPT, whole models at a time: see
// docs/defects.md.
#include <gtest/gtest.h>

#include "support/tiny_session.h"
#include "train/run_folder.h"

namespace falconer::test {
namespace {

class Gradients : public ::testing::TestWithParam<bool> {
 protected:
  TinyShape shape() const { return {.layers = 3, .grouped = GetParam(), .init_std = 0.2}; }
};

// Keeps out defect 16 of docs/defects.md: hooks add to the base's output in place, and what their
// backward reads must not have been written over.
TEST_P(Gradients, OfEveryMethodAreTheSlopesOfTheLoss) {
  const TinyRun run(shape());
  const BatchBuffer batch = batch_of(rows_of(run));
  for (const MethodOptions& method : all_methods()) {
    SCOPED_TRACE(name_of(method));
    const auto session = open_training(run, method);
    move_away(*session, batch);
    // DoRA holds the norm constant in its backward, as PEFT does: its A and B have no true slope.
    if (!method.lora_dora) expect_true_gradients(*session, batch);
  }
}

// Keeps out defect 31 of docs/defects.md: a backward that dropped other elements than its forward
// would not have the slopes of the loss.
TEST_P(Gradients, DropoutHasOneMaskForwardAndBackward) {
  const TinyRun run(shape());
  const BatchBuffer batch = batch_of(rows_of(run));
  MethodOptions method;
  method.lora_targets = {"q", "v", "dense", "dense_h_to_4h", "dense_4h_to_h", "head"};
  method.lora_dropout = 0.5;
  const auto session = open_training(run, method);
  session->run().training = true;
  session->run().step = 7;
  move_away(*session, batch);
  expect_true_gradients(*session, batch);
  // The mask is named by the step: another step, another loss.
  const double loss = loss_of(*session, batch).sum;
  EXPECT_EQ(loss_of(*session, batch).sum, loss);
  session->run().step = 8;
  EXPECT_NE(loss_of(*session, batch).sum, loss);
}

INSTANTIATE_TEST_SUITE_P(Defects, Gradients, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "grouped" : "multi_query"; });

// Keeps out defect 17 of docs/defects.md.
TEST(Defects, FirstValuesAreExactlyThoseThatWereMeant) {
  const TinyRun run({.init_std = 0.2});
  const BatchBuffer batch = batch_of(rows_of(run));
  const auto base = Session::open({.checkpoint = run.checkpoint, .precision = Precision::kF32});
  const Tensor base_logits = logits_of(*base, batch);
  for (const MethodOptions& method : all_methods()) {
    SCOPED_TRACE(name_of(method));
    const auto session = open_training(run, method);
    // DoRA divides by the norm that it multiplies with.
    const Tensor logits = logits_of(*session, batch);
    const double off = largest_difference(logits.view(), base_logits.view());
    EXPECT_LE(off, method.lora_dora ? 1e-4 : 0);
    for (const Param* param : session->method()->params()) {
      const float* values = param->value.row<float>(0);
      double sum = 0, squares = 0, largest = 0;
      for (int64_t i = 0; i < param->size(); ++i) {
        sum += values[i];
        squares += static_cast<double>(values[i]) * values[i];
        largest = std::max(largest, std::fabs(static_cast<double>(values[i])));
      }
      const double n = static_cast<double>(param->size());
      const auto is = [&](const char* part) { return param->name.find(part) != std::string::npos; };
      if (is("lora_B") || is("gating_factor") || is("adapter_bias")) {
        EXPECT_EQ(largest, 0) << param->name;
      } else if (is("adapter_scale")) {
        EXPECT_EQ(sum, n) << param->name;
        EXPECT_EQ(squares, n) << param->name;
      } else if (is("lora_A")) {  // uniform within 1 / sqrt K
        const double bound = 1 / std::sqrt(static_cast<double>(param->cols()));
        EXPECT_LE(largest, bound) << param->name;
        EXPECT_NEAR(squares / n, bound * bound / 3, 0.15 * bound * bound) << param->name;
      } else if (is("adapter_wte")) {  // standard normal
        EXPECT_NEAR(squares / n, 1, 0.3) << param->name;
      }
    }
  }
}

// Keeps out defects 17 and 19 of docs/defects.md: a saved adapter needs no flag to be the same
// again, and nothing sets its tensors back.
TEST(Defects, AnAdapterKnowsItsOwnSettings) {
  const TinyRun run({.init_std = 0.2});
  const BatchBuffer batch = batch_of(rows_of(run));
  std::vector<MethodOptions> all = all_methods();
  all.pop_back();  // full is saved as a model
  all[0].lora_r = 3;
  all[0].lora_alpha = 7;
  all[1].lora_r = 5;
  all[2].adapter_length = 3;
  all[2].adapter_start_layer = 1;
  all[3].adapter_length = 4;
  // The file has one B for the fused product; its zeros say whom it is for.
  for (const std::vector<std::string>& targets : std::vector<std::vector<std::string>>{
           {"q", "k"}, {"k", "v"}, {"k"}, {"v"}, {"q", "k", "v"}, {"qkv"}, {"q", "v", "dense"}}) {
    MethodOptions& lora = all.emplace_back();
    lora.lora_r = 4;
    lora.lora_targets = targets;
  }
  int number = 0;
  for (const MethodOptions& method : all) {
    SCOPED_TRACE(fmt::format("{}, number {}", name_of(method), number));
    const auto session = open_training(run, method);
    move_away(*session, batch);
    const std::filesystem::path folder = run.path(fmt::format("saved-{}", number++));
    make_folder(folder);
    save_model(folder, *session, {.method = method.method});
    const auto opened = Session::open(
        {.checkpoint = run.checkpoint, .adapter = folder.string(), .precision = Precision::kF32});
    EXPECT_EQ(opened->method()->trainable_count(), session->method()->trainable_count());
    EXPECT_TRUE(same_bytes(logits_of(*opened, batch).view(), logits_of(*session, batch).view()));
  }
}

}  // namespace
}  // namespace falconer::test
