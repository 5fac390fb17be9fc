// Names on the hub wherever a checkpoint, an adapter or data is asked for.
#include "api/model/resolve.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "falconer/falconer.h"
#include "support/hub_fixture.h"
#include "support/paths.h"
#include "support/tiny_model.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

std::map<std::string, FakeFile> files_of(const fs::path& folder) {
  std::map<std::string, FakeFile> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    files[name] = {read_text_file(entry.path()), name.ends_with(".safetensors")};
  }
  return files;
}

class Resolve : public ::testing::Test {
 protected:
  Resolve() : hub_(std::make_unique<FakeHub>()) {
    for (const char* name : {"HF_HUB_CACHE", "HF_TOKEN", "TRANSFORMERS_OFFLINE", "HF_HUB_OFFLINE"})
      ::unsetenv(name);
    ::setenv("HF_HOME", run_.path("hf").c_str(), 1);
    ::setenv("HF_ENDPOINT", hub_->endpoint().c_str(), 1);
    hub_->add("org/model", files_of(run_.checkpoint));
    hub_->add("org/rows", {{"rows.jsonl", {read_text_file(run_.path("rows.jsonl"))}}}, true);
  }
  ~Resolve() override {
    for (const char* name : {"HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE"}) ::unsetenv(name);
  }
  FinetuneOptions by_name() const {
    FinetuneOptions o = run_.options("lora", "out");
    o.checkpoint = "org/model";
    o.data = "org/rows/rows.jsonl";
    return o;
  }
  size_t asked() const { return hub_->requests().size(); }

  TinyRun run_;
  std::unique_ptr<FakeHub> hub_;
};

TEST_F(Resolve, ARunByNamesIsTheRunByPaths) {
  const FinetuneReport named = finetune(by_name());
  EXPECT_GT(asked(), 0u);
  const FinetuneReport local = finetune(run_.options("lora", "local"));
  EXPECT_EQ(losses(run_.path("out")), losses(run_.path("local")));
  // The adapter says which model it belongs to, by the name that means the same everywhere.
  const auto config =
      nlohmann::json::parse(read_text_file(fs::path(named.final_folder) / "adapter_config.json"));
  EXPECT_EQ(config["base_model_name_or_path"], "org/model");
}

// The processes that it starts find the model where this one fetched it.
TEST_F(Resolve, MethodsAreComparedByNames) {
  FinetuneOptions o = by_name();
  o.test_size = 4;
  CompareOptions options{.runs = {{"lora", o}}, .out = run_.path("compare")};
  options.program = program_path();
  options.new_tokens = 4;
  options.repeats = 1;
  EXPECT_TRUE(compare(options).complete);
  const std::string recipe = read_text_file(run_.path("compare/lora/recipe.toml"));
  EXPECT_NE(recipe.find("checkpoint = \"org/model\""), std::string::npos) << recipe;
  EXPECT_NE(recipe.find("data = \"org/rows/rows.jsonl\""), std::string::npos) << recipe;
}

TEST_F(Resolve, WhatIsWholeInTheCacheIsNotAskedFor) {
  const std::string folder = resolve_checkpoint("org/model");
  EXPECT_EQ(read_text_file(folder + "/config.json"),
            read_text_file(run_.checkpoint + "/config.json"));
  const std::string rows = resolve_data("org/rows/rows.jsonl");
  const size_t before = asked();
  EXPECT_EQ(resolve_checkpoint("org/model"), folder);
  EXPECT_EQ(resolve_checkpoint("hf://org/model"), folder);
  EXPECT_EQ(resolve_checkpoint("org/model", CheckpointPart::kConfig), folder);
  EXPECT_EQ(resolve_data("hf://datasets/org/rows/rows.jsonl"), rows);
  EXPECT_EQ(asked(), before);
}

TEST_F(Resolve, AdaptersComeByNameToo) {
  const FinetuneReport trained = finetune(run_.options("lora", "out"));
  hub_->add("org/adapter", files_of(trained.final_folder));
  const std::vector<std::vector<int32_t>> prompt = {{5, 6, 7}};
  const SamplingSettings greedy{.max_new_tokens = 8, .temperature = 0, .ignore_eos = true};
  Model named = Model::open({.checkpoint = "org/model", .adapter = "org/adapter"});
  Model local = Model::open({.checkpoint = run_.checkpoint, .adapter = trained.final_folder});
  EXPECT_EQ(named.generate(prompt, greedy)[0].ids, local.generate(prompt, greedy)[0].ids);
  EXPECT_EQ(resolve_adapter(""), "");
}

TEST_F(Resolve, ALookAtTheConfigurationFetchesNoWeights) {
  EXPECT_NE(inspect("org/model").text.find("no weights in this folder"), std::string::npos);
  EXPECT_EQ(hub_->count("safetensors"), 0u);
  resolve_checkpoint("org/model");  // the rest comes when it is needed
  EXPECT_GT(hub_->count("safetensors"), 0u);
  EXPECT_EQ(inspect("org/model").text.find("no weights"), std::string::npos);
}

TEST_F(Resolve, OfflineTheCacheIsUsedOrTheErrorSaysSo) {
  ::setenv("HF_HUB_OFFLINE", "1", 1);
  expect_mentions(message_of([] { resolve_checkpoint("org/model"); }),
                  {"org/model", "HF_HUB_OFFLINE", "falconer download org/model"});
  expect_mentions(message_of([] { resolve_data("org/rows"); }), {"falconer download --dataset"});
  EXPECT_EQ(asked(), 0u);
  ::unsetenv("HF_HUB_OFFLINE");
  const std::string folder = resolve_checkpoint("org/model");
  ::setenv("HF_HUB_OFFLINE", "1", 1);
  EXPECT_EQ(resolve_checkpoint("org/model"), folder);
}

TEST_F(Resolve, WithoutTheHubWhatIsEnoughIsUsed) {
  const std::string folder = resolve_checkpoint("org/model");
  // As another program would have left it: nobody knows whether there is a tokenizer.
  fs::remove_all(fs::path(folder).parent_path().parent_path() / ".no_exist");
  hub_.reset();
  EXPECT_EQ(resolve_checkpoint("org/model"), folder);
  expect_mentions(message_of([] { resolve_checkpoint("org/other"); }),
                  {"org/other", "no path here", "cannot be reached"});
}

TEST_F(Resolve, PathsAreNeverAskedFor) {
  const fs::path before = fs::current_path();
  fs::current_path(run_.folder.path());
  make_folder("org/model");
  make_folder("out");
  EXPECT_EQ(resolve_checkpoint("org/model"), "org/model");
  for (const char* name : {"out/final", "none", "./a/b", "/a/b", "a/b/c", "org/model/"})
    EXPECT_EQ(resolve_checkpoint(name), name);
  EXPECT_EQ(resolve_data("-"), "-");
  EXPECT_EQ(asked(), 0u);
  fs::current_path(before);
}

// A file that was mistyped is no name on the hub, and is not asked for.
TEST_F(Resolve, WhatLooksLikeAFileIsAPath) {
  for (const char* name : {"data/suport.jsonl", "models/falcon.gguf", "rows/x.csv", "~/rows.jsonl"})
    EXPECT_EQ(resolve_data(name), name);
  for (const char* name : {"out/lit_model_lora.pth", "models/falcon.Q8.gguf"})
    EXPECT_EQ(resolve_checkpoint(name), name);
  EXPECT_EQ(asked(), 0u);
}

TEST_F(Resolve, ARunsFolderIsWhatItSaved) {
  FinetuneOptions o = run_.options("lora", "out");
  o.save_interval = 2;
  const FinetuneReport trained = finetune(o);
  const std::string folder = run_.path("out").string();
  EXPECT_EQ(resolve_adapter(folder), trained.final_folder);
  EXPECT_EQ(resolve_adapter(trained.final_folder), trained.final_folder);
  fs::remove_all(trained.final_folder);
  EXPECT_EQ(resolve_adapter(folder), (run_.path("out") / "checkpoint-4").string());
  for (const char* name : {"checkpoint-2", "checkpoint-4"}) fs::remove_all(run_.path("out") / name);
  expect_mentions(message_of([&] { resolve_adapter(folder); }), {"saved nothing"});
  EXPECT_EQ(resolve_checkpoint(run_.path("start").string()), run_.checkpoint);
}

TEST_F(Resolve, ADatasetsRowsAreFoundOrAskedFor) {
  EXPECT_TRUE(resolve_data("org/rows").ends_with("/rows.jsonl"));
  const std::string row = "{\"input_ids\": [1, 2]}\n";
  hub_->add("org/split", {{"train.jsonl", {row}}, {"test.jsonl", {row}}, {"other.jsonl", {row}}},
            true);
  const fs::path split = resolve_data("org/split");
  EXPECT_TRUE(fs::exists(split / "train.jsonl") && fs::exists(split / "test.jsonl"));
  hub_->add("org/many", {{"a.jsonl", {row}}, {"b.jsonl", {row}}}, true);
  hub_->add("org/parts",
            {{"data/train-00000-of-00002.parquet", {row}},
             {"data/train-00001-of-00002.parquet", {row}},
             {"data/test-00000-of-00001.parquet", {row}}},
            true);
  const fs::path parts = resolve_data("org/parts");
  EXPECT_TRUE(fs::exists(parts / "data/train-00001-of-00002.parquet"));
  EXPECT_TRUE(fs::exists(parts / "data/test-00000-of-00001.parquet"));
  expect_mentions(message_of([] { resolve_data("org/many"); }),
                  {"org/many/a.jsonl", "org/many/b.jsonl", "name one"});
  expect_mentions(message_of([] { resolve_data("org/many/c.jsonl"); }), {"c.jsonl", "a.jsonl"});
}

TEST_F(Resolve, DownloadReportsWhatItDid) {
  const DownloadReport report = download({.name = "org/model"});
  EXPECT_EQ(report.repository, "org/model");
  EXPECT_EQ(report.revision, "main");
  EXPECT_EQ(report.commit.size(), 40u);
  EXPECT_GT(report.received_bytes, 0);
  for (const DownloadedFile& file : report.files)
    EXPECT_EQ(fs::file_size(fs::path(report.folder) / file.path),
              static_cast<uint64_t>(file.bytes));
  EXPECT_EQ(download({.name = "org/model@" + report.commit}).folder, report.folder);
  EXPECT_EQ(download({.name = "org/rows", .dataset = true}).files.size(), 1u);
  for (const char* name : {"model", "/org/model", "org/model/config.json", ""})
    expect_mentions(message_of([&] { download({.name = name}); }), {"org/name"});
  expect_mentions(message_of([] { download({.name = "org/model@a", .revision = "b"}); }),
                  {"--revision b"});
  expect_mentions(message_of([] { download({.name = "org/model", .jobs = 0}); }), {"--jobs"});
  expect_mentions(
      message_of([] { download({.name = "org/model", .files = {"a"}, .include = {"b"}}); }),
      {"--include"});
  ::setenv("HF_HUB_OFFLINE", "1", 1);
  EXPECT_EQ(download({.name = "org/model"}).folder, report.folder);
  expect_mentions(message_of([] { download({.name = "org/none"}); }), {"HF_HUB_OFFLINE"});
}

}  // namespace
}  // namespace falconer::test
