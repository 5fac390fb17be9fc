// falconer compare from end to end, with the demo's model and a few steps.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "falconer/falconer.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

class Compare : public ::testing::Test {
 protected:
  Compare() {
    set_verbosity("quiet");
    options.program = program_path();
    options.out = (folder / "out").string();
    options.ask = 8;
    options.new_tokens = 4;
    options.repeats = 1;
    options.threads = 1;
  }

  void add(const std::string& method) {
    FinetuneOptions o;
    o.method = method;
    o.checkpoint = std::string(source_dir()) + "/demo/checkpoint";
    o.data = std::string(source_dir()) + "/demo/data";
    o.prompt_style = "falcon-instruct";
    o.batch_size = 8;
    o.max_steps = 2;
    options.runs.push_back({method, o});
  }

  nlohmann::json figures() const {
    return nlohmann::json::parse(read_text_file(fs::path(options.out) / "compare.json"));
  }

  TempFolder folder;
  CompareOptions options;
};

TEST_F(Compare, MeasuresEveryMethodAndGoesOnWhereItWas) {
  for (const char* method : {"lora", "adapter", "adapter-v2", "full"}) add(method);
  const CompareReport report = compare(options);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.json, read_text_file(fs::path(report.page).parent_path() / "compare.json"));
  EXPECT_TRUE(fs::exists(report.page));
  EXPECT_TRUE(fs::exists(folder / "out/charts/held-out-loss.svg"));
  const auto all = figures();
  EXPECT_EQ(all["asked_rows"], 8);
  EXPECT_EQ(all["base"]["exact"], 0);
  EXPECT_GT(all["base"]["held_out_loss"], 0);
  ASSERT_EQ(all["runs"].size(), 4u);
  for (const auto& run : all["runs"]) {
    const std::string name = run["name"];
    EXPECT_EQ(run["steps"], 2) << name;
    EXPECT_EQ(run["rows"], 16) << name;
    EXPECT_GT(run["train_seconds"], 0) << name;
    EXPECT_GT(run["train_peak_rss_bytes"], 1000000) << name;
    EXPECT_TRUE(run["held_out_loss"].is_number()) << name;
    EXPECT_TRUE(run["exact"].is_number()) << name;
    EXPECT_GT(run["answer"]["tokens_per_second"], 0) << name;
    EXPECT_EQ(run["merged_answer"].is_null(), name == "adapter" || name == "full") << name;
    EXPECT_FALSE(fs::exists(folder / "out/measured" / (name + "-merged"))) << name;
  }
  EXPECT_EQ(list_runs(options.out).runs.size(), 4u);

  // What is finished is not done again.
  const fs::path metrics = folder / "out/lora/metrics.jsonl",
                 answers = folder / "out/measured/lora-answers.jsonl";
  const auto trained = fs::last_write_time(metrics), answered = fs::last_write_time(answers);
  const double speed = all["runs"][0]["answer"]["tokens_per_second"];
  compare(options);
  EXPECT_EQ(fs::last_write_time(metrics), trained);
  EXPECT_EQ(fs::last_write_time(answers), answered);
  EXPECT_EQ(figures()["runs"][0]["answer"]["tokens_per_second"], speed);

  // Other settings are not mixed with what is there.
  options.runs[0].options.lr = 0.5;
  expect_mentions(message_of([&] { compare(options); }), {"lora.toml", "--overwrite"});
}

TEST_F(Compare, WhatCannotBeIsSaidBeforeAnythingIsTrained) {
  expect_mentions(message_of([&] { compare(options); }), {"nothing to compare"});
  add("lora");
  add("lora");
  expect_mentions(message_of([&] { compare(options); }), {"two runs are named lora"});
  options.runs[1].name = "../lora";
  expect_mentions(message_of([&] { compare(options); }), {"../lora"});
  options.runs[1].name = "other";
  options.runs[1].options.data = "elsewhere";
  expect_mentions(message_of([&] { compare(options); }), {"other", "--data"});
  options.runs.pop_back();
  options.runs[0].options.data = std::string(source_dir()) + "/demo/data/train.json";
  options.runs[0].options.test_size = 0;
  expect_mentions(message_of([&] { compare(options); }), {"held-out", "--test-size"});
  EXPECT_FALSE(fs::exists(options.out));
}

// What was trained on blocks is asked, and timed, on them; merged models as well.
TEST_F(Compare, AQuantisedBaseIsAskedAsOne) {
  options.ask = 2;
  options.new_tokens = 2;
  add("lora");
  options.runs.back().options.quantize = "q8_0";
  EXPECT_TRUE(compare(options).complete);
  const auto all = figures();
  EXPECT_FALSE(all["runs"][0]["exact"].is_null());
  EXPECT_GT(all["runs"][0]["answer"]["tokens_per_second"], 0);
}

TEST_F(Compare, RowsWithoutAPromptAreNotAsked) {
  write_file(folder / "rows.jsonl", [] {
    std::string text;
    for (int i = 0; i < 12; ++i) text += "{\"text\":\"A young red fox sleeps near the lake.\"}\n";
    return text;
  }());
  add("lora");
  options.runs[0].options.data = (folder / "rows.jsonl").string();
  options.runs[0].options.prompt_style.clear();  // no style renders rows of text
  options.runs[0].options.test_size = 4;
  options.new_tokens = 0;
  compare(options);
  EXPECT_EQ(figures()["asked_rows"], 0);
  EXPECT_TRUE(figures()["runs"][0]["exact"].is_null());
  EXPECT_TRUE(figures()["base"]["answer"].is_null());
}

TEST_F(Compare, AMethodThatFailsIsNamed) {
  add("lora");
  options.program = "/bin/false";
  expect_mentions(message_of([&] { compare(options); }), {"finetune", "exit code 1"});
}

// Rows of token ids are asked too: what stands before the labels is the prompt.
TEST(EvaluateRows, OfTokenIdsAreAskedLikeThoseOfText) {
  set_verbosity("quiet");
  const TempFolder folder;
  const std::string checkpoint = std::string(source_dir()) + "/demo/checkpoint";
  EvaluateOptions text{.model = {.checkpoint = checkpoint, .prompt_style = "falcon-instruct"},
                       .data = std::string(source_dir()) + "/demo/data/test.json",
                       .limit = 5};
  text.sampling.max_new_tokens = 8;
  const EvaluateReport expected = evaluate(text);
  Model model = Model::open(text.model);
  std::ofstream rows(folder / "rows.jsonl");
  for (const EvaluatedRow& row : expected.models[0].rows) {
    std::vector<int32_t> ids = model.encode_prompt(row.instruction, row.input);
    std::vector<int32_t> labels(ids.size(), -100);
    for (const int32_t id : model.encode_prompt(row.expected, "", true)) {
      ids.push_back(id);
      labels.push_back(id);
    }
    rows << nlohmann::json({{"input_ids", ids}, {"labels", labels}}).dump() << "\n";
  }
  rows.close();
  EvaluateOptions tokens = text;
  tokens.data = (folder / "rows.jsonl").string();
  const EvaluateReport found = evaluate(tokens);
  ASSERT_EQ(found.models[0].rows.size(), expected.models[0].rows.size());
  for (size_t i = 0; i < found.models[0].rows.size(); ++i) {
    EXPECT_EQ(found.models[0].rows[i].answer, expected.models[0].rows[i].answer);
    EXPECT_EQ(found.models[0].rows[i].expected, expected.models[0].rows[i].expected);
  }
  write_file(folder / "rows.jsonl", "{\"input_ids\":[1,2,3]}\n");
  expect_mentions(message_of([&] { evaluate(tokens); }), {"line 1", "no prompt"});
}

}  // namespace
}  // namespace falconer::test
