// Whole runs through the library's public side: every method, resume, and what must never be silent.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/threads.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/tensor_file.h"
#include "support/errors.h"
#include "support/run_files.h"
#include "support/tiny_model.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

/// Names of the tensors that both files hold with the same bytes.
std::vector<std::string> unchanged(const fs::path& a, const fs::path& b) {
  const TensorFiles before = TensorFiles::open_file(weights_of(a));
  const TensorFiles after = TensorFiles::open_file(weights_of(b));
  EXPECT_EQ(before.tensors().size(), after.tensors().size());
  std::vector<std::string> same;
  for (const auto& [name, tensor] : before.tensors()) {
    const StoredTensor* other = after.find(name);
    if (other == nullptr || other->bytes.size() != tensor.bytes.size())
      ADD_FAILURE() << name << " is not in both";
    else if (std::memcmp(other->bytes.data(), tensor.bytes.data(), tensor.bytes.size()) == 0)
      same.push_back(name);
  }
  return same;
}

/// A checkpoint with its tensors as `dtype`.
void copy_as(const fs::path& from, const fs::path& to, Dtype dtype) {
  fs::create_directory(to);
  fs::copy_file(from / "config.json", to / "config.json");
  const TensorFiles files = TensorFiles::open_folder(from);
  std::vector<TensorSpec> specs;
  for (const auto& [name, tensor] : files.tensors()) specs.push_back({name, dtype, tensor.shape});
  SafetensorsWriter writer(to / "model.safetensors", specs);
  for (const auto& [name, tensor] : files.tensors()) writer.write(tensor.view());
  writer.commit();
}

class EveryMethod : public ::testing::TestWithParam<std::tuple<const char*, bool>> {
 protected:
  std::string method() const { return std::get<0>(GetParam()); }
  TinyShape shape() const {
    TinyShape shape;
    shape.grouped = std::get<1>(GetParam());
    return shape;
  }
};

// Keeps out defect 6 of docs/defects.md: an adapter whose prompt is cached by an evaluation, or whose
// tensors the optimizer never got, trains without a word and learns nothing.
TEST_P(EveryMethod, ChangesEveryTensorThatItDeclares) {
  const TinyRun run(shape());
  FinetuneOptions o = run.options(method(), "out");
  o.test_size = 4;
  o.eval_interval = 1;
  o.save_interval = 2;
  o.keep = 0;
  o.lora_dora = true;
  o.lora_targets = {"all-linear", "head"};
  const FinetuneReport report = finetune(o);
  EXPECT_EQ(report.steps, 4);
  for (const std::string& name : unchanged(run.path("out/checkpoint-2"), report.final_folder))
    ADD_FAILURE() << name << " did not change between step 2 and step 4";
}

TEST_P(EveryMethod, LearnsItsRows) {
  const TinyRun run(shape());
  write_rows(run.path("rows.jsonl"), 2, 5);
  FinetuneOptions o = run.options(method(), "out");
  o.lora_dropout = 0;
  o.weight_decay = 0;
  o.lr = 3e-2;
  o.batch_size = 2;
  o.max_steps = 40;
  finetune(o);
  const std::vector<double> all = losses(run.path("out"));
  ASSERT_EQ(all.size(), 40u);
  // Under frozen random weights a few thousand numbers can learn little, but not nothing.
  const std::map<std::string, double> bar = {
      {"lora", 0.92}, {"adapter", 0.985}, {"adapter-v2", 0.8}, {"full", 0.8}};
  EXPECT_LT(all.back(), bar.at(method()) * all.front());
}

TEST_P(EveryMethod, ResumesToTheSameBytes) {
  const TinyRun run(shape());
  FinetuneOptions o = run.options(method(), "whole");
  o.test_size = 4;
  o.eval_interval = 2;
  o.save_interval = 3;
  o.max_steps = 6;
  o.lora_dropout = 0.1;
  const std::string whole = finetune(o).final_folder;
  FinetuneOptions part = o;
  part.out = run.path("part").string();
  const std::string resumed = resumed_half_way(part);
  EXPECT_EQ(file_bytes(weights_of(whole)), file_bytes(weights_of(resumed)));
  EXPECT_EQ(losses(run.path("whole")), losses(run.path("part")));
}

// The checkpoint that a run went on from is one of those that are removed when newer ones are there.
TEST_P(EveryMethod, ResumedRunsOutliveTheirCheckpoint) {
  const TinyRun run(shape());
  FinetuneOptions o = run.options(method(), "out");
  o.save_interval = 1;
  o.keep = 1;
  o.max_steps = 2;
  finetune(o);
  o.max_steps = 6;
  o.resume = "auto";
  EXPECT_EQ(finetune(o).steps, 6);
  EXPECT_FALSE(fs::exists(run.path("out/checkpoint-2")));
}

TEST_P(EveryMethod, MergesToTheSameAnswers) {
  if (method() == "adapter") GTEST_SKIP() << "a prompt cannot be folded into the weights";
  if (method() == "full") GTEST_SKIP() << "there is nothing to merge";
  const TinyRun run(shape());
  FinetuneOptions o = run.options(method(), "out");
  o.lr = 3e-2;
  const std::string adapter = finetune(o).final_folder;
  const std::string merged = run.path("merged").string();
  const std::string text =
      merge({.checkpoint = run.checkpoint, .adapter = adapter, .out = merged, .verify = true}).text;
  EXPECT_FALSE(text.empty());
}

// Keeps out defect 27 of docs/defects.md: micro-batches of 3 leave 2 of 8 rows for the last.
TEST_P(EveryMethod, MicroBatchesDoNotChangeTheStep) {
  const TinyRun run(shape());
  std::vector<std::vector<double>> all;
  for (const int64_t size : {1, 3, 8}) {
    FinetuneOptions o = run.options(method(), fmt::format("by-{}", size));
    o.micro_batch_size = size;
    o.lora_dropout = 0.1;
    if (method() == "lora") o.lora_targets = {"all-linear", "head"};
    finetune(o);
    all.push_back(losses(o.out));
  }
  for (size_t i = 0; i < all[0].size(); ++i)
    for (size_t k = 1; k < all.size(); ++k) EXPECT_NEAR(all[k][i], all[0][i], 2e-5);
}

TEST_P(EveryMethod, GeneratesAloneAsInABatch) {
  const TinyRun run(shape());
  FinetuneOptions o = run.options(method(), "out");
  const FinetuneReport report = finetune(o);
  const bool whole = method() == "full";
  Model model = Model::open({.checkpoint = whole ? report.final_folder : run.checkpoint,
                             .adapter = whole ? "" : report.final_folder});
  const SamplingSettings greedy{.max_new_tokens = 6, .temperature = 0, .ignore_eos = true};
  const std::vector<std::vector<int32_t>> prompts = {{5, 6, 7}, {9}, {11, 12, 13, 14, 15}};
  const auto together = model.generate(prompts, greedy);
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto alone = model.generate({prompts[i]}, greedy);
    EXPECT_EQ(alone[0].ids, together[i].ids);
    // The cache changes nothing: asking with the answer so far gives the next token.
    std::vector<int32_t> longer = prompts[i];
    longer.insert(longer.end(), alone[0].ids.begin(), alone[0].ids.end() - 1);
    SamplingSettings one = greedy;
    one.max_new_tokens = 1;
    EXPECT_EQ(model.generate({longer}, one)[0].ids[0], alone[0].ids.back());
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryMethod,
                         ::testing::Combine(::testing::Values("lora", "adapter", "adapter-v2",
                                                              "full"),
                                            ::testing::Bool()),
                         [](const auto& which) {
                           std::string name = std::get<0>(which.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name + (std::get<1>(which.param) ? "_grouped" : "_multi_query");
                         });

TEST_P(EveryMethod, TheNumberOfThreadsChangesNothing) {
  TinyShape wide = shape();
  wide.width = 64;
  const TinyRun run(wide);
  const int before = thread_count();
  for (const char* precision : {"f32", "bf16"}) {
    std::string first;
    for (const int threads : {1, 2, 3, 5}) {
      set_thread_count(threads);
      FinetuneOptions o = run.options(method(), fmt::format("{}-{}", precision, threads));
      o.precision = precision;
      o.lora_dropout = 0.1;
      if (method() == "lora") o.lora_targets = {"all-linear", "head"};
      const std::string bytes = file_bytes(weights_of(finetune(o).final_folder));
      if (first.empty()) first = bytes;
      EXPECT_TRUE(bytes == first) << precision << ", " << threads << " threads";
    }
  }
  set_thread_count(before);
}

// What is recorded of a path is text; the run is not lost for it.
TEST(Finetune, PathsNeedNotBeUtf8) {
  const TinyRun run;
  const std::filesystem::path folder = run.path("caf\xe9");
  std::filesystem::create_directory(folder);
  std::filesystem::copy(run.options("full", "x").data, folder / "rows.jsonl");
  std::filesystem::copy(run.options("full", "x").checkpoint, folder / "m",
                        std::filesystem::copy_options::recursive);
  for (const char* method : {"full", "lora", "adapter"}) {
    FinetuneOptions o = run.options(method, std::string("out-") + method);
    o.data = (folder / "rows.jsonl").string();
    o.checkpoint = (folder / "m").string();
    o.save_interval = 1;
    const FinetuneReport report = finetune(o);
    EXPECT_TRUE(std::filesystem::exists(report.final_folder + "/falconer.json"));
  }
}

TEST(Finetune, TwoRunsGiveTheSameBytes) {
  const TinyRun run;
  const std::string a = finetune(run.options("lora", "a")).final_folder;
  const std::string b = finetune(run.options("lora", "b")).final_folder;
  EXPECT_EQ(file_bytes(weights_of(a)), file_bytes(weights_of(b)));
}

// Keeps out defect 14 of docs/defects.md.
// Pages of weights that were forgotten are read again, and hold what they held.
TEST(Finetune, LowMemoryGivesTheSameBytes) {
  const TinyRun run;
  for (const char* method : {"lora", "adapter-v2", "full"}) {
    FinetuneOptions o = run.options(method, std::string("plain-") + method);
    const FinetuneReport plain = finetune(o);
    o.out = run.path(std::string("low-") + method);
    o.low_memory = true;
    const FinetuneReport low = finetune(o);
    EXPECT_TRUE(file_bytes(weights_of(plain.final_folder)) ==
                file_bytes(weights_of(low.final_folder)))
        << method;
  }
}

TEST(Finetune, RecomputeGivesTheSameBytesInLessMemory) {
  const TinyRun run({.layers = 8, .width = 64});
  for (const char* method : {"lora", "adapter", "adapter-v2", "full"}) {
    FinetuneOptions o = run.options(method, std::string("kept-") + method);
    o.lora_targets = {"all-linear"};
    o.lora_dora = true;
    o.recompute = "off";
    const FinetuneReport kept = finetune(o);
    const double kept_bytes = megabytes_of(plan(o).text, "kept for backward");
    o.out = run.path(std::string("again-") + method);
    o.recompute = "on";
    const FinetuneReport again = finetune(o);
    EXPECT_TRUE(file_bytes(weights_of(kept.final_folder)) ==
                file_bytes(weights_of(again.final_folder)))
        << method;
    EXPECT_LT(megabytes_of(plan(o).text, "kept for backward"), kept_bytes) << method;
  }
}

// A bf16 checkpoint in an f32 run stays bf16 in its file: no copy, and the results of f32 weights.
TEST(Finetune, Bf16MatricesInAnF32RunTakeNoMemoryAndChangeNothing) {
  const TinyRun run;
  const fs::path narrow = run.path("narrow"), wide = run.path("wide");
  copy_as(run.checkpoint, narrow, Dtype::kBF16);
  copy_as(narrow, wide, Dtype::kF32);
  FinetuneOptions o = run.options("lora", "out-narrow");
  o.checkpoint = narrow;
  finetune(o);
  FinetuneOptions other = run.options("lora", "out-wide");
  other.checkpoint = wide;
  finetune(other);
  const std::vector<double> a = losses(o.out), b = losses(other.out);
  ASSERT_EQ(a.size(), b.size());
  // The products may be summed in another order: unit roundoffs of the loss, not of bf16.
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 64 * 0x1p-24 * std::abs(b[i]));
  o.out = run.path("plan");
  // The embedding and the matrices of the layers, in half of the bytes.
  EXPECT_NEAR(megabytes_of(plan(o).text, "weights, mapped"),
              megabytes_of(plan(other).text, "weights, mapped") / 2, 0.1);
}

TEST(Finetune, BaseWeightsStayAsTheyWere) {
  const TinyRun run;
  const std::string before = file_bytes(weights_of(run.checkpoint));
  finetune(run.options("lora", "out"));
  EXPECT_EQ(file_bytes(weights_of(run.checkpoint)), before);
}

TEST(Finetune, AnEarlierRunIsNotOverwrittenSilently) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  finetune(o);
  expect_mentions(message_of([&] { finetune(o); }), {"--resume", "--overwrite"});
  o.overwrite = true;
  EXPECT_NO_THROW(finetune(o));
}

TEST(Finetune, ResumeWithNothingToResumeIsAnError) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.resume = run.path("nowhere").string();
  expect_mentions(message_of([&] { finetune(o); }), {"nowhere"});
}

TEST(Finetune, NothingToLearnIsAnError) {
  const TinyRun run;
  write_file(run.path("rows.jsonl"), "{\"input_ids\":[1,2,3],\"labels\":[-100,-100,-100]}\n");
  expect_mentions(message_of([&] { finetune(run.options("lora", "out")); }), {"rows.jsonl"});
}

TEST(Finetune, BadRowsAreNamedOrSkipped) {
  const TinyRun run;
  write_file(run.path("rows.jsonl"),
             "{\"input_ids\":[1,2,3]}\n{\"input_ids\":[1,99999]}\n{\"input_ids\":[4,5,6]}\n");
  FinetuneOptions o = run.options("lora", "out");
  expect_mentions(message_of([&] { finetune(o); }), {"rows.jsonl", "line 2", "99999"});
  o.skip_bad = true;
  EXPECT_EQ(finetune(o).steps, 4);
}

// Keeps out defect 8 of docs/defects.md: two micro-batches a step, and warm-up counts steps.
TEST(Finetune, WarmUpReachesTheRateThatWasAsked) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.warmup_steps = 2;
  finetune(o);
  std::ifstream file(run.path("out") / "metrics.jsonl");
  std::vector<double> rates;
  for (std::string line; std::getline(file, line);)
    if (const auto row = nlohmann::json::parse(line); row.contains("lr"))
      rates.push_back(row["lr"]);
  EXPECT_EQ(rates, (std::vector<double>{0.005, 0.01, 0.01, 0.01}));
}

TEST(Finetune, ALossThatIsNotFiniteStopsWithItsRows) {
  const TinyRun run;
  FinetuneOptions o = run.options("full", "out");
  o.optimizer = "sgd";
  o.lr = 1e30;
  o.grad_clip = 0;
  expect_mentions(message_of([&] { finetune(o); }), {"finite", "row"});
}

TEST(Finetune, AnAdapterOfAnotherModelIsRefused) {
  const TinyRun run;
  const std::string adapter = finetune(run.options("lora", "out")).final_folder;
  TinyShape wider, fewer;
  wider.width = 48;
  fewer.layers = 5;
  for (const TinyShape& shape : {wider, fewer}) {
    const TinyRun other(shape);
    EXPECT_THROW(Model::open({.checkpoint = other.checkpoint, .adapter = adapter}), Error);
  }
}

TEST(Finetune, ThePlanIsWhatTheRunTakes) {
  const TinyRun run;
  EXPECT_FALSE(plan(run.options("lora", "out")).text.empty());
  EXPECT_TRUE(dry_run(run.options("lora", "out")).fits);
  EXPECT_FALSE(fs::exists(run.path("out")));
}

}  // namespace
}  // namespace falconer::test
