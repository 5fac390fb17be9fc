// What a run saves says what it was made from, and is found out where that or it has changed.
#include <gtest/gtest.h>

#include <fstream>

#include "data/row_store.h"
#include "model/fingerprint.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/tiny_session.h"
#include "text/tokenizer.h"
#include "train/run_folder.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

class VerifyRun : public ::testing::Test {
 protected:
  VerifyRun() : run({.vocab = 640}) {
    const fs::path demo = fs::path(source_dir()) / "demo/checkpoint";
    for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
      fs::copy_file(demo / name, fs::path(run.checkpoint) / name);
  }

  FinetuneOptions options(const std::string& method = "lora", const std::string& out = "out") {
    FinetuneOptions o = run.options(method, out);
    o.save_interval = 2;
    o.test_size = 4;
    o.eval_interval = 2;
    return o;
  }
  std::string folder(const std::string& name = "") const {
    return run.path("out/" + name).string();
  }

  /// A model of the same shape with other weights.
  std::string other_base() {
    FinetuneOptions o = run.options("full", "other");
    o.from_scratch = true;
    o.seed = 99;
    return finetune(o).final_folder;
  }

  /// Changes one byte in the middle of a file.
  void damage(const std::string& name) const {
    std::fstream file(folder(name), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(0, std::ios::end);
    const auto middle = static_cast<std::streamoff>(file.tellg()) / 2;
    file.seekg(middle);
    const char byte = static_cast<char>(file.get() ^ 0x10);
    file.seekp(middle);
    file.put(byte);
  }

  std::string failing() const {
    const VerifyReport report = verify({.folder = folder(), .checkpoint = {}, .data = {}});
    EXPECT_FALSE(report.ok) << report.text;
    return report.text;
  }

  TinyRun run;
};

TEST_F(VerifyRun, ARunAsItWasSavedIsInOrder) {
  for (const char* method : {"lora", "adapter", "adapter-v2", "full"}) {
    FinetuneOptions o = options(method);
    o.overwrite = true;
    finetune(o);
    const VerifyReport report = verify({.folder = folder(), .checkpoint = {}, .data = {}});
    EXPECT_TRUE(report.ok) << method << "\n" << report.text;
    EXPECT_EQ(report.text.find("not checked"), std::string::npos) << report.text;
    expect_mentions(report.text, {"final", "checkpoint-2", "checkpoint-4", "optimizer", "metrics",
                                  "base", "data"});
    EXPECT_EQ(nlohmann::json::parse(report.json)[0]["verdict"], "ok");
  }
}

TEST_F(VerifyRun, RowsAreReadAsTheyWereForTheRun) {
  std::string rows = "prompt;completion\n";
  for (int i = 0; i < 12; ++i) rows += fmt::format("{};\xfc{}\n", i, i);
  write_file(run.path("rows.csv"), rows);
  FinetuneOptions o = options();
  o.data = run.path("rows.csv").string();
  o.delimiter = ";";
  o.encoding = "latin1";
  finetune(o);
  const VerifyReport report = verify({.folder = folder(), .checkpoint = {}, .data = {}});
  EXPECT_TRUE(report.ok) << report.text;
}

TEST_F(VerifyRun, AByteThatChangedIsFound) {
  finetune(options());
  damage("final/adapter_model.safetensors");
  expect_mentions(failing(), {"FAILED", "final", "adapter_model.safetensors", "reads differently"});
}

TEST_F(VerifyRun, AnAdapterThatLearnedNothingIsFound) {
  FinetuneOptions o = options();
  o.lr = 0;
  finetune(o);
  expect_mentions(failing(), {"all 0", "lora_B"});
}

TEST_F(VerifyRun, OtherRowsAreFound) {
  finetune(options());
  write_rows(run.path("rows.jsonl"), 24, 2, 640);
  expect_mentions(failing(), {"rows.jsonl", "other rows"});
}

// What a run was trained on before it was resumed with other rows, nothing that it saved knows.
TEST_F(VerifyRun, RowsOfAResumedRunAreThoseSinceItsChange) {
  FinetuneOptions o = options();
  finetune(o);
  write_rows(run.path("others.jsonl"), 24, 2, 640);
  o.data = run.path("others.jsonl");
  o.resume = "auto";
  o.max_steps = 6;
  finetune(o);
  const auto said = [&] {
    const VerifyReport report = verify({.folder = folder(), .checkpoint = {}, .data = {}});
    EXPECT_TRUE(report.ok) << report.text;
    return report.text;
  };
  expect_mentions(said(), {"others.jsonl", "from step 5 on", "other rows"});
  o.max_steps = 8;  // once more, with the same
  finetune(o);
  expect_mentions(said(), {"others.jsonl", "from step 5 on"});
  FinetuneOptions same = options("lora", "same");
  same.data = o.data;
  finetune(same);
  same.resume = "auto";
  same.max_steps = 6;
  finetune(same);
  const VerifyReport report =
      verify({.folder = run.path("same").string(), .checkpoint = {}, .data = {}});
  EXPECT_EQ(report.text.find("other rows"), std::string::npos) << report.text;
}

TEST_F(VerifyRun, WhatIsNotHereIsNotChecked) {
  finetune(options());
  fs::rename(run.path("rows.jsonl"), run.path("moved.jsonl"));
  const VerifyReport report = verify({.folder = folder(), .checkpoint = {}, .data = {}});
  EXPECT_TRUE(report.ok);
  expect_mentions(report.text, {"not checked", "--data"});
  EXPECT_TRUE(
      verify({.folder = folder(), .checkpoint = {}, .data = run.path("moved.jsonl").string()}).ok);
}

TEST_F(VerifyRun, AnAdapterIsRefusedOnAnotherBase) {
  finetune(options());
  const std::string other = other_base(), adapter = folder("final");
  const auto score_with = [&](bool any) {
    score({.checkpoint = other,
           .adapter = adapter,
           .data = run.path("rows.jsonl").string(),
           .output = run.path("scores.jsonl").string(),
           .any_base = any});
  };
  expect_mentions(message_of([&] { score_with(false); }), {"other weights", "--any-base"});
  score_with(true);
  expect_mentions(message_of([&] {
                    merge({.checkpoint = other, .adapter = adapter, .out = folder("merged")});
                  }),
                  {"--any-base"});
  ModelOptions model{.checkpoint = other, .adapter = adapter};
  expect_mentions(message_of([&] { Model::open(model); }), {"--any-base"});
  model.any_base = true;
  Model::open(model);
  FinetuneOptions on = options("lora", "on");
  on.checkpoint = other;
  on.init_adapter = adapter;
  expect_mentions(message_of([&] { finetune(on); }), {"--any-base"});
}

TEST_F(VerifyRun, ARunIsNotGoneOnWithOnAnotherBase) {
  finetune(options());
  FinetuneOptions o = options();
  o.checkpoint = other_base();
  o.resume = "auto";
  o.max_steps = 6;
  expect_mentions(message_of([&] { finetune(o); }), {"checkpoint-4", "--any-base"});
}

TEST_F(VerifyRun, ADamagedCheckpointIsSetAside) {
  FinetuneOptions o = options();
  finetune(o);
  damage("checkpoint-4/optimizer.safetensors");
  o.resume = "auto";
  o.max_steps = 6;
  EXPECT_EQ(finetune(o).steps, 6);
  EXPECT_TRUE(fs::exists(folder("damaged-checkpoint-4")));
}

TEST_F(VerifyRun, AModelHasOneFingerprintInEveryForm) {
  const std::string before = weights_fingerprint(run.checkpoint);
  const std::string tokens = Tokenizer::load(run.checkpoint).fingerprint();
  for (const char* format : {"hf", "litgpt", "lit-parrot", "gguf"}) {
    const std::string out = run.path(format).string();
    export_model({.checkpoint = run.checkpoint, .adapter = {}, .out = out, .format = format});
    EXPECT_EQ(weights_fingerprint(out), before) << format;
  }
  const std::string bf16 = run.path("bf16").string();
  export_model(
      {.checkpoint = run.checkpoint, .adapter = {}, .out = bf16, .format = "hf", .dtype = "bf16"});
  EXPECT_EQ(weights_fingerprint(bf16), before);
  EXPECT_NE(weights_fingerprint(other_base()), before);
  EXPECT_EQ(Tokenizer::load(bf16).fingerprint(), tokens);
}

TEST_F(VerifyRun, TheAdapterGoesWithItsBaseInEveryForm) {
  finetune(options());
  const std::string gguf = run.path("model.gguf").string();
  export_model({.checkpoint = run.checkpoint, .adapter = {}, .out = gguf, .format = "gguf"});
  Model::open({.checkpoint = gguf, .adapter = folder("final")});
}

TEST(Fingerprint, RowsAreTheSameOnlyInTheSameOrder) {
  const Row a{.ids = {1, 2}, .labels = {1, 2}}, b{.ids = {3}, .labels = {3}};
  const std::vector<Row> ab = {a, b}, again = ab, ba = {b, a};
  EXPECT_EQ(fingerprint(ab), fingerprint(again));
  EXPECT_NE(fingerprint(ab), fingerprint(ba));
}

}  // namespace
}  // namespace falconer::test
