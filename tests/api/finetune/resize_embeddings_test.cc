// finetune --resize-embeddings as a whole: a tokenizer that was given tokens, and a model that was not resized.
#include <gtest/gtest.h>

#include "support/errors.h"
#include "support/made_checkpoint.h"
#include "support/run_files.h"
#include "train/run_folder.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

// The demo's tokenizer has 506 tokens.
constexpr int64_t kModelRows = 500, kTokens = 506;

class ResizeEmbeddings : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    set_verbosity("quiet");
    checkpoint = write_checkpoint(folder / "base", {.shape = {.layers = 2, .vocab = kModelRows}});
    add_demo_tokenizer(folder / "base");
    write_rows(folder / "rows.jsonl", 24, 1, kTokens);
  }
  FinetuneOptions options(const std::string& out, bool resize = true) const {
    FinetuneOptions o = short_run(GetParam(), checkpoint, folder, out);
    o.max_steps = 6;
    o.resize_embeddings = resize;
    return o;
  }
  bool full() const { return GetParam() == std::string(MethodName::kFull); }
  Model open(const std::string& result) const {
    return full() ? Model::open({.checkpoint = result, .precision = "f32"})
                  : Model::open({.checkpoint = checkpoint, .adapter = result, .precision = "f32"});
  }

  TempFolder folder;
  std::string checkpoint;
};

TEST_P(ResizeEmbeddings, WithoutItTheFlagIsNamed) {
  expect_mentions(message_of([&] { finetune(options("out", false)); }), {"expected 0 to 499"});
  write_file(folder / "rows.jsonl", "{\"text\": \"What colour\"}\n");
  FinetuneOptions o = options("out", false);
  o.test_size = 0;
  expect_mentions(message_of([&] { finetune(o); }), {"505", "--resize-embeddings"});
  o.resize_embeddings = true;
  EXPECT_EQ(open(finetune(o).final_folder).vocab(), kTokens);
  CheckOptions check_options{.checkpoint = checkpoint, .data = o.data, .test_size = 0};
  EXPECT_FALSE(check(check_options).failure.empty());
  check_options.resize_embeddings = true;
  EXPECT_TRUE(check(check_options).failure.empty());
}

TEST_P(ResizeEmbeddings, GivesRowsToWhatIsTrainedAndToWhatComputes) {
  const FinetuneReport report = finetune(options("out"));
  Model model = open(report.final_folder);
  EXPECT_EQ(model.vocab(), kTokens);
  EXPECT_EQ(model.logits({505, 5, 500}).size(), static_cast<size_t>(3 * kTokens));
  const auto record = read_record(report.final_folder);
  EXPECT_EQ(record->settings.at("resize_embeddings"), "true");
  EXPECT_NE(read_text_file(folder / "out/recipe.toml", 1 << 20).find("resize-embeddings = true"),
            std::string::npos);
  expect_mentions(message_of([&] { model.logits({506}); }), {"506", "505"});
}

TEST_P(ResizeEmbeddings, ResumesToTheSameBytes) {
  FinetuneOptions o = options("whole");
  o.save_interval = 3;
  o.lora_dropout = 0.1;
  const std::string whole = finetune(o).final_folder;
  FinetuneOptions part = o;
  part.out = (folder / "part").string();
  const std::string resumed = resumed_half_way(part);
  EXPECT_EQ(file_bytes(weights_of(whole)), file_bytes(weights_of(resumed)));
  EXPECT_EQ(file_bytes(fs::path(whole) / "falconer.json"),
            file_bytes(fs::path(resumed) / "falconer.json"));
  EXPECT_EQ(losses(folder / "whole"), losses(folder / "part"));
}

TEST_P(ResizeEmbeddings, ChangesNothingWhereTheModelHasTheRows) {
  checkpoint = write_checkpoint(folder / "large", {.shape = {.layers = 2, .vocab = kTokens}});
  add_demo_tokenizer(folder / "large");
  const std::string with = finetune(options("with")).final_folder;
  const std::string without = finetune(options("without", false)).final_folder;
  EXPECT_EQ(file_bytes(weights_of(with)), file_bytes(weights_of(without)));
}

TEST_P(ResizeEmbeddings, IsPlannedFor) {
  const std::string with = plan(options("with")).text;
  EXPECT_NE(with.find("memory plan"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Methods, ResizeEmbeddings,
                         ::testing::Values(MethodName::kLora, MethodName::kFull));

class ResizeWithLora : public ResizeEmbeddings {};

TEST_P(ResizeWithLora, AnAdapterBringsItsRows) {
  const std::string first = finetune(options("first")).final_folder;
  FinetuneOptions on = options("on", false);
  on.init_adapter = first;
  const FinetuneReport report = finetune(on);
  EXPECT_EQ(open(report.final_folder).vocab(), kTokens);
  EXPECT_EQ(read_record(report.final_folder)->settings.at("resize_embeddings"), "true");
}

TEST_P(ResizeWithLora, AnAdapterWithoutRowsGetsNone) {
  write_rows(folder / "rows.jsonl", 24, 1, kModelRows);
  FinetuneOptions on = options("on");
  on.init_adapter = finetune(options("first", false)).final_folder;
  expect_mentions(message_of([&] { finetune(on); }), {"--resize-embeddings", "500", "505"});
}

TEST_P(ResizeWithLora, RunsAreVerifiedAgainstTheirData) {
  const FinetuneReport report = finetune(options("out"));
  EXPECT_TRUE(verify({.folder = (folder / "out").string()}).ok);
}

INSTANTIATE_TEST_SUITE_P(Methods, ResizeWithLora, ::testing::Values(MethodName::kLora));

TEST(ResizeEmbeddingsOfAdapters, IsRefusedByName) {
  set_verbosity("quiet");
  const TinyRun run;
  for (const char* method : {MethodName::kAdapter, MethodName::kAdapterV2}) {
    FinetuneOptions o = run.options(method, "out");
    o.resize_embeddings = true;
    expect_mentions(message_of([&] { finetune(o); }), {"--resize-embeddings", method});
  }
}

}  // namespace
}  // namespace falconer::test
