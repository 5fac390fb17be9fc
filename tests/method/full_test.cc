// Full finetuning in less memory: weights in bf16, moments in 8 bits.
#include <gtest/gtest.h>

#include "support/errors.h"
#include "support/run_files.h"
#include "support/tiny_model.h"

namespace falconer::test {
namespace {

FinetuneOptions small_options(const TinyRun& run, const char* out) {
  FinetuneOptions o = run.options("full", out);
  o.precision = "bf16";
  o.optimizer = "adamw-8bit";
  o.master_weights = "bf16";
  o.schedule = "constant";
  return o;
}

TEST(FullMemory, LearnsAndIsResumedToTheSameBytes) {
  const TinyRun run({.layers = 2, .width = 64, .vocab = 97});
  FinetuneOptions o = small_options(run, "whole");
  o.max_steps = 6;
  const FinetuneReport whole = finetune(o);
  FinetuneOptions large = run.options("full", "large");
  large.precision = "bf16";
  large.schedule = "constant";
  large.max_steps = 6;
  finetune(large);
  const std::vector<double> a = losses(o.out), b = losses(large.out);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 0.01 * b[i]);

  FinetuneOptions part = small_options(run, "part");
  part.max_steps = part.save_interval = 3;
  finetune(part);
  part.max_steps = 6;
  part.resume = "auto";
  part.master_weights = "auto";  // what the run began with
  EXPECT_TRUE(file_bytes(weights_of(finetune(part).final_folder)) ==
              file_bytes(weights_of(whole.final_folder)));
  const VerifyReport verified = verify({.folder = part.out});
  EXPECT_TRUE(verified.ok) << verified.text;
}

TEST(FullMemory, IsWhatThePlanSays) {
  const TinyRun run({.layers = 2, .width = 128, .vocab = 9973});
  const auto learning = [&](const char* optimizer, const char* masters) {
    FinetuneOptions o = run.options("full", "plan");
    o.precision = "bf16";
    o.optimizer = optimizer;
    o.master_weights = masters;
    return megabytes_of(plan(o).text, "trainable and tables");
  };
  // Bytes of a number: its value, an f32 gradient, two moments.
  const double whole = learning("adamw", "f32") / (4 + 4 + 8);
  EXPECT_NEAR(learning("adamw", "bf16"), whole * (2 + 4 + 8), 0.02 * whole * 16);
  EXPECT_NEAR(learning("adamw-8bit", "f32"), whole * (4 + 4 + 2), 0.02 * whole * 16);
  EXPECT_NEAR(learning("adamw-8bit", "bf16"), whole * (2 + 4 + 2), 0.02 * whole * 16);
}

TEST(FullMemory, OptionsAreChecked) {
  const TinyRun run;
  FinetuneOptions o = small_options(run, "out");
  o.max_steps = o.save_interval = 2;
  finetune(o);
  o.max_steps = 4;
  o.resume = "auto";
  o.optimizer = "adamw";
  expect_mentions(message_of([&] { finetune(o); }), {"optimizer.safetensors", "--optimizer"});
  o.optimizer = "adamw-8bit";
  o.master_weights = "f32";
  expect_mentions(message_of([&] { finetune(o); }), {"optimizer.safetensors", "--master-weights"});

  o = small_options(run, "other");
  o.precision = "f32";
  expect_mentions(message_of([&] { finetune(o); }), {"--master-weights", "--precision bf16"});
  o = run.options("lora", "other");
  o.master_weights = "bf16";
  expect_mentions(message_of([&] { finetune(o); }), {"--master-weights", "lora"});
  o.master_weights = "f16";
  expect_mentions(message_of([&] { finetune(o); }), {"--master-weights", "auto, f32, bf16"});
  o = run.options("lora", "other");
  o.offload_optimizer = "on";
  expect_mentions(message_of([&] { finetune(o); }), {"--offload-optimizer", "GPU"});
}

}  // namespace
}  // namespace falconer::test
