// What a run comes to where nobody says: its length, what is held out, and where that is written.
#include "api/finetune/finetune_options.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/toml.h"
#include "data/split.h"
#include "falconer/falconer.h"
#include "support/errors.h"
#include "support/said.h"
#include "support/tiny_model.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

TEST(Defaults, FewRowsAreSeenSeveralTimes) {
  const auto length = [](int64_t rows) { return run_length({}, {}, rows); };
  EXPECT_EQ(length(300).batch_size, 16);
  EXPECT_EQ(length(300).epochs, 3);
  EXPECT_EQ(length(3999).epochs, 3);
  EXPECT_EQ(length(4000).epochs, 1);
  EXPECT_EQ(run_length(128, 1, 300).batch_size, 128);
  EXPECT_EQ(run_length(128, 1, 300).epochs, 1);
}

TEST(Defaults, ATenthIsHeldOutAndOfFewRowsNone) {
  EXPECT_EQ(default_test_size(24), 0);
  EXPECT_EQ(default_test_size(99), 0);
  EXPECT_EQ(default_test_size(100), 10);
  EXPECT_EQ(default_test_size(300), 30);
  EXPECT_EQ(default_test_size(52'000), 2000);
}

class Unset : public ::testing::Test {
 protected:
  FinetuneOptions options(const char* out) const {
    FinetuneOptions o = run.options("lora", out);
    o.batch_size.reset();
    o.max_steps = 0;
    return o;
  }
  void use_rows(int count) { write_rows(run.path("rows.jsonl"), count, 1, TinyShape{}.vocab); }

  TinyRun run;
};

TEST_F(Unset, CheckPrepareAndFinetuneHoldOutTheSame) {
  use_rows(120);
  const FinetuneOptions o = options("out");
  const FinetunePlan plan = dry_run(o);
  EXPECT_EQ(plan.rows, 108);
  EXPECT_EQ(plan.held_out_rows, 12);
  EXPECT_EQ(plan.length_text, "21 steps of 16 rows (3 epochs of 108 rows), 12 rows held out");
  CheckOptions check_options;
  check_options.checkpoint = o.checkpoint;
  check_options.data = o.data;
  expect_mentions(check(check_options).text,
                  {"108 to train on, 12 held out", plan.length_text.c_str()});
}

TEST_F(Unset, TheRecipeAndTheReportSayWhatItCameTo) {
  use_rows(120);
  const FinetuneReport report = finetune(options("out"));
  EXPECT_EQ(report.steps, 21);
  std::map<std::string, std::string> recipe;
  for (const TomlEntry& entry : read_toml(run.path("out/recipe.toml")))
    recipe[entry.key] = entry.values.front();
  EXPECT_EQ(recipe.at("batch-size"), "16");
  EXPECT_EQ(recipe.at("epochs"), "3");
  EXPECT_EQ(recipe.at("test-size"), "12");
  EXPECT_EQ(recipe.at("warmup-steps"), "0");
  const auto record = nlohmann::json::parse(read_text_file(run.path("out/final/falconer.json")));
  EXPECT_EQ(record["settings"]["batch_size"], "16");
  EXPECT_EQ(record["data"]["test_size"], "12");
  const auto json = nlohmann::json::parse(report.json);
  EXPECT_EQ(json["steps"], 21);
  EXPECT_EQ(json["batch_size"], 16);
  EXPECT_EQ(json["final"], run.path("out/final").string());
  EXPECT_FALSE(json["interrupted"]);
}

TEST_F(Unset, APlanIsOneObject) {
  use_rows(120);
  const auto json = nlohmann::json::parse(plan(options("out")).json);
  EXPECT_EQ(json["steps"], 21);
  EXPECT_EQ(json["train_rows"], 108);
  EXPECT_EQ(json["held_out_rows"], 12);
  EXPECT_GT(json["memory_bytes"], 0);
  EXPECT_EQ(json["fits"], true);
}

// What model, method and device refuse is known without rows.
TEST_F(Unset, ValuesAreCheckedBeforeDataIsRead) {
  FinetuneOptions o = options("out");
  write_file(run.path("rows.jsonl"), "{\"input_ids\": [1, 2\n");
  const auto message = [&](auto change) {
    FinetuneOptions changed = o;
    change(changed);
    return message_of([&] { finetune(changed); });
  };
  expect_mentions(message([](FinetuneOptions&) {}), {"rows.jsonl"});
  expect_mentions(message([](FinetuneOptions& c) { c.lora_r = 0; }), {"--lora-r"});
  expect_mentions(message([](FinetuneOptions& c) { c.lora_targets = {"none"}; }),
                  {"--lora-targets"});
  expect_mentions(message([](FinetuneOptions& c) { c.epochs = 0; }), {"--epochs"});
  expect_mentions(message([](FinetuneOptions& c) { c.batch_size = 0; }), {"--batch-size"});
  expect_mentions(message([](FinetuneOptions& c) { c.micro_batch_size = 0; }),
                  {"--micro-batch-size"});
  expect_mentions(message([](FinetuneOptions& c) { c.device = "cuda:77"; }), {"--device cuda"});
  expect_mentions(message([&](FinetuneOptions& c) { c.out = c.checkpoint + "/run"; }),
                  {"model's own folder"});
  EXPECT_FALSE(fs::exists(run.path("out")));
}

// No more rows are computed at one time than a step has; plan and finetune take them alike.
TEST_F(Unset, AMicroBatchIsNoLargerThanAStep) {
  FinetuneOptions o = options("out");
  o.batch_size = 4;
  o.micro_batch_size = 4;
  const FinetunePlan same = plan(o);
  o.micro_batch_size = 64;
  const FinetunePlan larger = plan(o);
  expect_mentions(larger.text, {"micro-batches of 4,"});
  EXPECT_EQ(larger.memory_bytes, same.memory_bytes);
  EXPECT_EQ(dry_run(o).memory_bytes, same.memory_bytes);
}

TEST(FirstLayer, OfAnAdapterOnAModelWithFewerIsSaidOnce) {
  const TinyRun run;
  FinetuneOptions o = run.options("adapter", "out");
  o.adapter_start_layer = 50;
  for (const bool dry : {true, false}) {
    const std::string said = log_and_error(LogLevel::kInfo, [&] {
      if (dry)
        dry_run(o);
      else
        finetune(o);
    });
    const size_t at = said.find("the adapter starts at layer 2 instead of 50");
    ASSERT_NE(at, std::string::npos) << said;
    EXPECT_EQ(said.find("starts at layer", at + 30), std::string::npos) << said;
  }
}

}  // namespace
}  // namespace falconer::test
