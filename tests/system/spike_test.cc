// A run that meets a row unlike all before it: named, or left out.
#include <gtest/gtest.h>

#include "support/run_files.h"
#include "support/tiny_model.h"

namespace falconer::test {
namespace {

constexpr int64_t kStrange = 13;  // the step of the row that is unlike the others

/// A row over and over, and one of other tokens.
void write_spiking_rows(const std::filesystem::path& path) {
  std::ofstream file(path);
  for (int64_t i = 1; i <= 16; ++i) {
    const nlohmann::json ids = i == kStrange ? nlohmann::json({50, 41, 33, 27, 58, 22, 49, 36})
                                             : nlohmann::json({5, 6, 7, 8, 9, 10, 11, 12});
    file << nlohmann::json({{"input_ids", ids}, {"labels", ids}}).dump() << "\n";
  }
}

/// Weights after each step.
std::vector<std::string> weights_by_step(const TinyRun& run, const std::string& on_spike) {
  FinetuneOptions o = run.options("lora", on_spike);
  o.batch_size = o.micro_batch_size = 1;
  o.shuffle = false;
  o.schedule = "constant";
  o.warmup_steps = 0;
  o.lr = 0.03;
  o.lora_targets = {"all-linear", "head"};
  o.max_steps = 16;
  o.save_interval = 1;
  o.keep = 0;
  o.on_spike = on_spike;
  finetune(o);
  std::vector<std::string> weights;
  for (int64_t step = 1; step <= o.max_steps; ++step)
    weights.push_back(
        file_bytes(weights_of(std::filesystem::path(o.out) / fmt::format("checkpoint-{}", step))));
  return weights;
}

TEST(OnSpike, SkipLeavesTheStepOutAndNoOther) {
  const TinyRun run;
  write_spiking_rows(run.path("rows.jsonl"));
  const auto skipped = weights_by_step(run, "skip"), warned = weights_by_step(run, "warn");
  for (size_t i = 1; i < skipped.size(); ++i) {
    const bool strange = i + 1 == kStrange;
    EXPECT_EQ(skipped[i] == skipped[i - 1], strange) << "step " << i + 1;
    EXPECT_FALSE(warned[i] == warned[i - 1]) << "step " << i + 1;
  }
  for (size_t i = 0; i + 1 < kStrange; ++i) EXPECT_TRUE(skipped[i] == warned[i]);
  const auto state =
      nlohmann::json::parse(read_text_file(run.path("skip") / "checkpoint-16/trainer_state.json"));
  EXPECT_EQ(state["skipped_steps"], 1);
}

}  // namespace
}  // namespace falconer::test
