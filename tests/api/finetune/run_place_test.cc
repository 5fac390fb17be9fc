// What a run keeps: its folder against others, an earlier run against a start that fails, its hours
// against a crash, and numbers that are not finite out of what is saved.
#include "api/finetune/run_place.h"

#include <gtest/gtest.h>

#include <cmath>

#include "api/finetune/finetune_options.h"
#include "base/log.h"
#include "support/errors.h"
#include "support/made_checkpoint.h"
#include "support/paths.h"
#include "support/run_files.h"
#include "support/tiny_model.h"
#include "support/tiny_session.h"
#include "train/run_folder.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

/// Rows of a run's metrics that have `key`.
std::vector<nlohmann::json> rows_with(const fs::path& run, const char* key) {
  std::vector<nlohmann::json> rows;
  std::ifstream file(run / "metrics.jsonl");
  for (std::string line; std::getline(file, line);)
    if (const auto row = nlohmann::json::parse(line); row.contains(key)) rows.push_back(row);
  return rows;
}

/// Every file below a folder with its bytes.
std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      files[entry.path().lexically_relative(folder).string()] = file_bytes(entry.path());
  return files;
}

TEST(SaveEvery, ChangesNoByteAndKeepsTwo) {
  const TinyRun run;
  for (const char* method : {"lora", "full"}) {
    FinetuneOptions o = run.options(method, std::string(method) + "-alone");
    o.save_every = "off";
    const std::string alone = finetune(o).final_folder;
    EXPECT_TRUE(list_checkpoints(o.out).empty());
    o.out = run.path(std::string(method) + "-saved").string();
    o.save_every = "0.001ms";
    const std::string saved = finetune(o).final_folder;
    EXPECT_EQ(file_bytes(weights_of(alone)), file_bytes(weights_of(saved)));
    ASSERT_EQ(list_checkpoints(o.out).size(), 2u);
    EXPECT_EQ(list_checkpoints(o.out)[0].filename(), "checkpoint-4");
    fs::remove_all(saved);
    fs::remove_all(list_checkpoints(o.out)[0]);
    o.resume = "auto";
    EXPECT_EQ(file_bytes(weights_of(alone)), file_bytes(weights_of(finetune(o).final_folder)));
  }
}

TEST(LearningRate, WhatIsHardlyMeantIsSaidAndAllowed) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "rates");
  const LogLevel level = log_level();
  const auto said = [&] {
    set_log_level(LogLevel::kWarning);
    testing::internal::CaptureStderr();
    plan(o);
    dry_run(o);
    set_log_level(level);
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(said().find("warm-up"), std::string::npos);
  const int64_t steps = plan(o).steps;
  ASSERT_GT(steps, 1);
  o.lr = 1;
  o.warmup_steps = 1000 * steps;
  expect_mentions(said(), {"warm-up of", "longer than the run's", "reaches only 0.001 of 1"});
  o.warmup_steps = steps;
  expect_mentions(said(), {"warm-up takes all of the run's", "reaches 1 in the last alone"});
  o.lr = 0;
  const std::string text = said(), line = "lr is 0: nothing will be learned";
  ASSERT_NE(text.find(line), std::string::npos);
  EXPECT_NE(text.find(line), text.rfind(line)) << "once by plan, once by a dry run";
  EXPECT_EQ(said().find("warm-up"), std::string::npos);
}

TEST(LearningRate, OfZeroNamesWhatStaysAsItWas) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.lr = 0;
  o.max_steps = 1;
  const LogLevel level = log_level();
  set_log_level(LogLevel::kWarning);
  testing::internal::CaptureStderr();
  finetune(o);
  set_log_level(level);
  expect_mentions(testing::internal::GetCapturedStderr(),
                  {"lr is 0", "trainable tensors did not change", "the first is", "lora_"});
}

// A dry run says that a run can begin: of one whose first loss is no number it must not.
TEST(DryRun, ReadsTheWeights) {
  const TempFolder folder;
  MadeCheckpoint made;
  const auto look = [&] {
    write_checkpoint(folder / "model", made);
    write_rows(folder / "rows.jsonl", 24, 1, made.shape.vocab);
    FinetuneOptions o;
    o.checkpoint = folder / "model";
    o.data = folder / "rows.jsonl";
    o.out = folder / "out";
    dry_run(o);
  };
  EXPECT_NO_THROW(look());
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    made.edit = [&](const Param& param, std::vector<float>& values) {
      if (param.name == "transformer.h.1.mlp.dense_h_to_4h.weight") values.back() = value;
    };
    expect_mentions(message_of(look), {"transformer.h.1.mlp.dense_h_to_4h.weight", "not finite"});
  }
}

// Where all stay, those that were asked for by step do.
TEST(SaveEvery, IsNoReasonToKeepThemAll) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.save_every = "0.001ms";
  o.save_interval = 2;
  o.keep = 0;
  o.max_steps = 5;
  finetune(o);
  std::vector<std::string> names;
  for (const fs::path& path : list_checkpoints(o.out)) names.push_back(path.filename());
  EXPECT_EQ(names, (std::vector<std::string>{"checkpoint-5", "checkpoint-4", "checkpoint-2"}));
}

// A run of a few seconds has nothing to lose by it.
TEST(SaveEvery, IsTenMinutesWhereNothingIsAsked) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  EXPECT_EQ(parse_period("--save-every", kSaveEvery), 600);
  const int64_t with = dry_run(o).disk_bytes;
  finetune(o);
  EXPECT_TRUE(list_checkpoints(o.out).empty());
  const std::string recipe = file_bytes(run.path("out/recipe.toml"));
  expect_mentions(recipe, {"save-every = \"10m\""});
  o.out = run.path("none").string();
  o.save_every = "0";
  EXPECT_LT(dry_run(o).disk_bytes, with);
}

TEST(SaveEvery, TimesHaveUnits) {
  const std::map<std::string, double> right = {{"0", 0},    {"off", 0},   {"50ms", 0.05},
                                               {"90s", 90}, {"1.5m", 90}, {"2h", 7200}};
  for (const auto& [text, seconds] : right)
    EXPECT_DOUBLE_EQ(parse_period("--save-every", text), seconds) << text;
  for (const char* text : {"", "10", "m", "-1m", "10 m", "1d", "1e400s", "nanm", "infs", "10m5",
                           "true", "18446744073709551516h"}) {
    const std::string said = message_of([&] { parse_period("--save-every", text); });
    expect_mentions(said, {"--save-every", "10m"});
  }
}

TEST(RunFolder, AStartThatFailsAtItsFirstStepKeepsTheEarlierRun) {
  const TinyRun run;
  FinetuneOptions o = run.options("full", "out");
  o.save_interval = 2;
  finetune(o);
  const auto before = contents(o.out);
  // The first step of these weights is not finite, which nobody can know before it.
  const std::string base = run.path("broken").string();
  fs::copy(run.checkpoint, base, fs::copy_options::recursive);
  {
    std::fstream weights(weights_of(base), std::ios::in | std::ios::out | std::ios::binary);
    weights.seekp(-64, std::ios::end);
    for (int i = 0; i < 16; ++i) weights.write("\xff\xff\xff\x7f", 4);
  }
  o.checkpoint = base;
  o.overwrite = o.any_base = true;
  expect_mentions(message_of([&] { finetune(o); }), {"not finite"});
  EXPECT_EQ(contents(o.out), before);
}

// Nothing was learned, and the next one would be told of an earlier run.
TEST(RunFolder, AStartThatFailsAtItsFirstStepLeavesNothing) {
  const TinyRun run;
  const std::string base = run.path("broken").string();
  fs::copy(run.checkpoint, base, fs::copy_options::recursive);
  {
    std::fstream weights(weights_of(base), std::ios::in | std::ios::out | std::ios::binary);
    weights.seekp(-64, std::ios::end);
    for (int i = 0; i < 16; ++i) weights.write("\xff\xff\xff\x7f", 4);
  }
  FinetuneOptions o = run.options("full", "out");
  o.checkpoint = base;
  expect_mentions(message_of([&] { finetune(o); }), {"step 1", "not finite"});
  EXPECT_FALSE(fs::exists(o.out));
  make_folder(o.out);
  write_file(fs::path(o.out) / "mine", "mine");
  expect_mentions(message_of([&] { finetune(o); }), {"step 1", "not finite"});
  EXPECT_EQ(contents(o.out).size(), 1u);
  o.checkpoint = run.checkpoint;
  finetune(o);
  EXPECT_TRUE(fs::exists(fs::path(o.out) / "mine"));
  // One that goes on elsewhere and has no step left has written what it has.
  FinetuneOptions ended = run.options("full", "ended");
  ended.save_interval = 2;
  finetune(ended);
  FinetuneOptions other = run.options("full", "other");
  other.resume = list_checkpoints(ended.out).front().string();
  finetune(other);
  EXPECT_TRUE(fs::exists(fs::path(other.out) / "final"));
}

TEST(RunFolder, ASampleThatIsTooLongIsFoundBeforeTheEarlierRunIsReplaced) {
  const TinyRun run({.vocab = 640});
  FinetuneOptions o = run.options("lora", "out");
  finetune(o);
  const auto before = contents(o.out);
  o.overwrite = true;
  o.test_size = 4;
  o.eval_interval = 1;
  o.sample_prompt = "word";
  expect_mentions(message_of([&] { finetune(o); }), {"--sample-prompt", "tokenizer"});
  const fs::path demo = fs::path(source_dir()) / "demo/checkpoint";
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    fs::copy_file(demo / name, fs::path(run.checkpoint) / name);
  for (int i = 0; i < 400; ++i) o.sample_prompt += " word";
  expect_mentions(message_of([&] { finetune(o); }), {"--sample-prompt", "context is 64"});
  EXPECT_EQ(contents(o.out), before);
}

// Ended between the claim and the first step: the next one that comes finds the earlier run.
TEST(RunFolder, AnEarlierRunComesBackWhereItsReplacementWasKilled) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  finetune(o);
  const auto before = contents(o.out);
  o.overwrite = true;
  {
    RunFolder folder(o, false);
    folder.claim();
    EXPECT_FALSE(fs::exists(run.path("out/final")));
    fs::copy(o.out, run.path("killed"), fs::copy_options::recursive);
  }
  EXPECT_EQ(contents(o.out), before);
  o.out = run.path("killed").string();
  write_file(run.path("killed/metrics.jsonl"), "");
  { const RunFolder folder(o, false); }
  fs::remove(run.path("killed/.falconer-lock"));  // a copy of the first one's
  EXPECT_EQ(contents(o.out), before);
  RunFolder folder(o, false);
  folder.claim();
  folder.begun();
  EXPECT_FALSE(fs::exists(run.path("killed/.earlier-run")));
}

// With the names that a run's files have.
TEST(RunFolder, WhatNoRunWroteStays) {
  const TinyRun run;
  for (const char* name : {"metrics.jsonl", "metrics.csv", "recipe.toml", "status.json",
                           "final/mine", "best/mine", "checkpoint-2/mine"})
    for (const char* resume : {"", "auto"}) {
      FinetuneOptions o = run.options("lora", "foreign");
      o.resume = resume;
      fs::remove_all(o.out);
      const fs::path file = fs::path(o.out) / name;
      make_folder(file.parent_path());
      write_file(file, "mine");
      for (const auto& start : {+[](const FinetuneOptions& p) { finetune(p); },
                                +[](const FinetuneOptions& p) { dry_run(p); }})
        expect_mentions(message_of([&] { start(o); }),
                        {"Falconer did not write it", "--overwrite"});
      EXPECT_EQ(contents(o.out), (std::map<std::string, std::string>{{name, "mine"}}));
    }
  FinetuneOptions o = run.options("lora", "foreign");
  o.overwrite = true;
  EXPECT_FALSE(finetune(o).final_folder.empty());
}

TEST(RunFolder, WhatARunReadsStays) {
  const TinyRun run;
  const std::string rows = file_bytes(run.path("rows.jsonl"));
  for (const bool overwrite : {false, true})
    for (const char* resume : {"", "auto"}) {
      FinetuneOptions o = run.options("lora", "out");
      fs::remove_all(o.out);
      make_folder(o.out);
      o.data = run.path("out/metrics.jsonl").string();
      write_file(o.data, rows);
      o.overwrite = overwrite;
      o.resume = resume;
      expect_mentions(message_of([&] { finetune(o); }), {"metrics.jsonl", "--out"});
      EXPECT_EQ(file_bytes(o.data), rows);
      // Under another name.
      const fs::path link = run.path("out/metrics.csv");
      fs::rename(o.data, run.path("linked.jsonl"));
      o.data = run.path("linked.jsonl").string();
      fs::create_symlink(o.data, link);
      expect_mentions(message_of([&] { finetune(o); }), {"metrics.csv", "--out"});
      EXPECT_EQ(file_bytes(o.data), rows);
    }
}

// Each rank but the first has a log beside the run's other files.
TEST(RunFolder, LogsOfRanksAreNotWrittenOverOthersFiles) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  make_folder(o.out);
  const fs::path log = run.path("out/rank-1.log");
  fs::create_symlink(o.data, log);
  for (const bool overwrite : {false, true}) {
    o.overwrite = overwrite;
    expect_mentions(message_of([&] { RunFolder(o, false, 2); }), {"rank-1.log", "is read"});
  }
  fs::remove(log);
  write_file(log, "mine");
  EXPECT_NO_THROW(RunFolder(o, false, 2)) << "with --overwrite";
  o.overwrite = false;
  EXPECT_NO_THROW(RunFolder(o, false, 1));
  expect_mentions(message_of([&] { RunFolder(o, false, 2); }), {"rank-1.log", "did not write"});
  EXPECT_EQ(file_bytes(log), "mine");
}

// That of a run may be given again; one that somebody wrote is not replaced.
TEST(RunFolder, ItsRecipeIsReplacedOnlyWhereARunIs) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  make_folder(o.out);
  o.recipe = run.path("out/recipe.toml").string();
  write_file(o.recipe, "mine");
  for (const bool overwrite : {false, true}) {
    o.overwrite = overwrite;
    expect_mentions(message_of([&] { finetune(o); }), {"recipe.toml", "is read"});
    EXPECT_EQ(file_bytes(o.recipe), "mine");
  }
  fs::remove(o.recipe);
  finetune(o);
  EXPECT_NO_THROW(finetune(o));
}

// Its data's folder may be the run's, or hold it.
TEST(RunFolder, MayLieInItsDatasFolder) {
  const TinyRun run;
  make_folder(run.path("data"));
  fs::copy_file(run.path("rows.jsonl"), run.path("data/train.jsonl"));
  for (const char* out : {"data", "data/run"}) {
    FinetuneOptions o = run.options("lora", out);
    o.data = run.path("data").string();
    o.save_interval = 2;
    finetune(o);
    o.resume = "auto";
    o.max_steps = 6;
    EXPECT_EQ(finetune(o).steps, 6);
  }
}

TEST(Finished, ARunStaysAsItIs) {
  const TinyRun run;
  for (const char* method : {"lora", "full"})
    for (const int64_t save : {0, 3}) {
      FinetuneOptions o = run.options(method, fmt::format("{}-{}", method, save));
      o.save_interval = save;
      const FinetuneReport first = finetune(o);
      const auto before = contents(o.out);
      o.resume = "auto";
      for (const int64_t steps : {4, 2}) {
        o.max_steps = steps;
        const FinetuneReport again = finetune(o);
        EXPECT_TRUE(again.was_finished);
        EXPECT_EQ(again.final_folder, first.final_folder);
        EXPECT_EQ(again.steps, 4);
        EXPECT_EQ(again.tokens, first.tokens);
        EXPECT_EQ(contents(o.out), before) << o.out;
      }
      dry_run(o);
      o.max_steps = 4;
      o.lr = 0.5;
      for (const auto& start : {+[](const FinetuneOptions& p) { finetune(p); },
                                +[](const FinetuneOptions& p) { dry_run(p); }})
        expect_mentions(message_of([&] { start(o); }),
                        {"finished after 4 steps", "nothing to resume", "--overwrite",
                         "other settings: --lr (", " then, 0.5 now)"});
      EXPECT_EQ(contents(o.out), before) << o.out;
    }
}

TEST(Finished, MoreStepsNeedACheckpoint) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  finetune(o);
  const auto before = contents(o.out);
  o.resume = "auto";
  o.max_steps = 6;
  expect_mentions(message_of([&] { finetune(o); }), {"4 steps", "kept no checkpoint", "step 6"});
  EXPECT_EQ(contents(o.out), before);
  o = run.options("lora", "kept");
  o.save_interval = 2;
  finetune(o);
  o.resume = "auto";
  o.max_steps = 6;
  const FinetuneReport more = finetune(o);
  EXPECT_EQ(more.steps, 6);
  EXPECT_FALSE(more.was_finished);
}

// Killed when final/ was there and its status was not.
TEST(Finished, AlsoWhereItsLastWordIsMissing) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  finetune(o);
  std::string status = file_bytes(run.path("out/status.json"));
  status.replace(status.find("finished"), 8, "running");
  write_file(run.path("out/status.json"), status);
  const auto before = contents(o.out);
  o.resume = "auto";
  EXPECT_TRUE(finetune(o).was_finished);
  EXPECT_EQ(contents(o.out), before);
}

TEST(Finished, AnEarlyStopIsAnEndUntilMorePatienceIsAskedFor) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.test_size = 4;
  o.eval_interval = o.early_stop = 1;
  o.save_interval = 1;
  o.lr = 0.5;
  o.max_steps = 12;
  const int64_t steps = finetune(o).steps;
  ASSERT_LT(steps, 12);
  const auto before = contents(o.out);
  o.resume = "auto";
  EXPECT_TRUE(finetune(o).was_finished);
  EXPECT_EQ(contents(o.out), before);
  o.early_stop = 20;
  EXPECT_EQ(finetune(o).steps, 12);
}

// Two that were checked before the folder was there.
TEST(RunFolder, OfTwoThatMakeOneFolderOneTrains) {
  const TinyRun run;
  for (const bool resume : {false, true}) {
    FinetuneOptions o = run.options("lora", resume ? "resumed" : "new");
    if (resume) o.resume = "auto";
    RunFolder first(o, false);
    {
      RunFolder second(o, false);
      second.claim();
      expect_mentions(message_of([&] { first.claim(); }), {"trains in this folder"});
      write_file(fs::path(o.out) / "metrics.jsonl", "");
      second.begun();
    }
    expect_mentions(message_of([&] { first.claim(); }), {"another run"});
  }
}

TEST(HeldOut, AreEvaluatedAtTheEndWhereNothingIsAsked) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "alone");
  o.test_size = 4;
  const std::string alone = finetune(o).final_folder;
  ASSERT_EQ(rows_with(o.out, "eval_loss").size(), 1u);
  EXPECT_EQ(rows_with(o.out, "eval_loss")[0]["step"], 4);
  o.out = run.path("watched").string();
  o.eval_interval = 1;
  EXPECT_EQ(file_bytes(weights_of(alone)), file_bytes(weights_of(finetune(o).final_folder)));
  EXPECT_EQ(rows_with(o.out, "eval_loss").back()["eval_loss"],
            rows_with(run.path("alone"), "eval_loss")[0]["eval_loss"]);
}

TEST(HeldOut, WithoutLabelsHaveNoLoss) {
  const TinyRun run;
  make_folder(run.path("data"));
  fs::copy_file(run.path("rows.jsonl"), run.path("data/train.jsonl"));
  write_file(run.path("data/test.jsonl"), "{\"input_ids\": [5, 6], \"labels\": [-100, -100]}\n");
  FinetuneOptions o = run.options("lora", "out");
  o.data = run.path("data").string();
  o.eval_interval = 1;
  expect_mentions(message_of([&] { finetune(o); }), {"held-out", "token to learn"});
  EXPECT_FALSE(fs::exists(o.out));
  o.eval_interval = 0;
  finetune(o);
  EXPECT_TRUE(rows_with(o.out, "eval_loss").empty());
}

TEST(HeldOut, ALossThatIsNotFiniteIsNeverTheBest) {
  const TinyRun run;
  FinetuneOptions o = run.options("full", "out");
  o.optimizer = "sgd";
  o.lr = 1e30;
  o.grad_clip = 0;
  o.test_size = 4;
  o.eval_interval = 1;
  o.save_interval = 1;
  expect_mentions(message_of([&] { finetune(o); }), {"step 1", "held-out loss is not finite"});
  o.out = run.path("skipping").string();
  o.skip_nonfinite = true;
  finetune(o);
  for (const fs::path& checkpoint : list_checkpoints(o.out)) {
    const TrainState state = read_train_state(checkpoint);
    EXPECT_EQ(state.best_step, 0);
    EXPECT_TRUE(std::isfinite(state.best_eval_loss));
    EXPECT_EQ(state.evals_without_gain, state.step);
  }
  EXPECT_EQ(list_checkpoints(o.out).size(), 2u);
}

TEST(EarlyStop, IsRememberedWhereTheRunWasKilledBeforeItsEnd) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.test_size = 4;
  o.eval_interval = o.save_interval = o.early_stop = 1;
  o.lr = 0.5;
  o.max_steps = 12;
  const FinetuneReport whole = finetune(o);
  ASSERT_LT(whole.steps, 12);
  const std::string before = file_bytes(weights_of(whole.final_folder));
  fs::remove_all(whole.final_folder);
  o.resume = "auto";
  const FinetuneReport again = finetune(o);
  EXPECT_EQ(again.steps, whole.steps);
  EXPECT_EQ(file_bytes(weights_of(again.final_folder)), before);
  // Who asks for more patience gets it.
  fs::remove_all(whole.final_folder);
  o.early_stop = 20;
  EXPECT_EQ(finetune(o).steps, 12);
}

TEST(Saving, WhatIsNotFiniteIsNotSaved) {
  const TinyRun run;
  for (const char* method : {"full", "lora"}) {
    FinetuneOptions o = run.options(method, std::string(method) + "-last");
    o.max_steps = 1;
    o.lr = 1e39;
    expect_mentions(message_of([&] { finetune(o); }), {"step 1", "final/", "--lr"});
    EXPECT_FALSE(fs::exists(fs::path(o.out) / "final")) << method;
    EXPECT_TRUE(list_checkpoints(o.out).empty());
    // What was saved before stays, and is named.
    o.out = run.path(std::string(method) + "-later").string();
    o.lr = 1e-2;
    o.save_interval = 1;
    finetune(o);
    fs::remove_all(fs::path(o.out) / "final");
    o.resume = "auto";
    o.max_steps = 2;
    o.lr = 1e39;
    expect_mentions(message_of([&] { finetune(o); }), {"checkpoint", "checkpoint-1", "--resume"});
    ASSERT_EQ(list_checkpoints(o.out).size(), 1u);
    o.lr = 1e-2;
    EXPECT_EQ(finetune(o).steps, 2);
  }
}

// Each trained tensor and each part of the optimizer's state in turn.
TEST(Saving, EveryTensorIsLookedAt) {
  const TinyRun run;
  for (const MethodOptions& method : all_methods()) {
    const auto session = open_training(run, method);
    EXPECT_FALSE(not_finite(*session)) << name_of(method);
    const auto& params = session->method()->params();
    for (size_t i = 0; i < params.size(); ++i) {
      std::vector<View> views = session->optimizer_state()[i];
      views.push_back(params[i]->value);
      for (const View& view : views)
        for (const float value : {NAN, INFINITY, -INFINITY}) {
          float& last = view.row<float>(view.rows - 1)[view.cols - 1];
          const float was = std::exchange(last, value);
          const auto found = not_finite(*session);
          ASSERT_TRUE(found) << name_of(method) << " " << params[i]->name;
          EXPECT_NE(found->find(params[i]->name), std::string::npos) << *found;
          last = was;
        }
    }
    EXPECT_FALSE(not_finite(*session));
  }
}

// 3.4e38 is a number in f32, and infinite in bf16.
TEST(Saving, WhatIsInfiniteInTheSavedPrecisionIsNotSaved) {
  const TinyRun run;
  MethodOptions full;
  full.method = "full";
  const auto session = open_training(run, full, Precision::kBF16);
  session->method()->params().front()->value.row<float>(0)[0] = 3.4e38f;
  make_folder(run.path("model"));
  expect_mentions(message_of([&] { save_model(run.path("model"), *session, {.method = "full"}); }),
                  {"bf16 ends at"});
}

std::map<std::string, std::string> settings_of_run(const std::string& folder) {
  return read_record(folder)->settings;
}

TEST(Record, SaysWhatWasTrainedAndNotWhatTheFlagsSay) {
  const TinyRun run;
  FinetuneOptions first = run.options("lora", "first");
  first.lora_r = 3;
  first.lora_alpha = 7.5;
  first.lora_dropout = 0.2;
  first.lora_targets = {"k", "v", "dense"};
  first.lora_rs = first.lora_dora = true;
  FinetuneOptions o = run.options("lora", "on");
  o.init_adapter = finetune(first).final_folder;
  o.save_interval = 2;
  const std::string whole = finetune(o).final_folder;
  const auto settings = settings_of_run(whole);
  EXPECT_EQ(settings.at("lora_r"), "3");
  EXPECT_EQ(settings.at("lora_alpha"), "7.5");
  EXPECT_EQ(settings.at("lora_dropout"), "0.2");
  EXPECT_EQ(settings.at("lora_targets"), "k,v,dense");
  EXPECT_EQ(settings.at("lora_rs"), "true");
  EXPECT_EQ(settings.at("lora_dora"), "true");
  expect_mentions(file_bytes(run.path("on/recipe.toml")), {"lora_r of the adapter: 3"});
  // A run that goes on has the same record, dropout and bytes.
  const auto before = contents(whole);
  fs::remove_all(whole);
  fs::remove_all(run.path("on/checkpoint-4"));
  o.resume = "auto";
  finetune(o);
  EXPECT_EQ(contents(whole), before);
}

TEST(Record, ARunThatGoesOnIsWhatItsCheckpointIs) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.lora_r = 3;
  o.lora_dropout = 0.3;
  o.lora_targets = {"all-linear"};
  o.save_interval = 2;
  const std::string whole = finetune(o).final_folder;
  const auto before = contents(whole);
  fs::remove_all(whole);
  fs::remove_all(run.path("out/checkpoint-4"));
  FinetuneOptions again = run.options("lora", "out");  // nobody remembers the flags
  again.save_interval = 2;
  again.resume = "auto";
  finetune(again);
  EXPECT_EQ(contents(whole), before);
  expect_mentions(file_bytes(run.path("out/recipe.toml")),
                  {"lora-r = 3", "lora-dropout = 0.3", "[\"all-linear\"]"});
  FinetuneOptions adapter = run.options("adapter", "adapter");
  adapter.adapter_length = 5;
  EXPECT_EQ(settings_of_run(finetune(adapter).final_folder).at("adapter_length"), "5");
}

// A run that goes on with fewer steps than it has made says so, and is no run of 6 steps out of 4.
TEST(KeptRun, GoingOnWithFewerStepsThanWereMade) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.save_interval = 2;
  o.max_steps = 6;
  finetune(o);
  fs::remove_all(run.path("out/final"));
  o.max_steps = 4;
  o.resume = "auto";
  set_log_level(LogLevel::kWarning);
  testing::internal::CaptureStderr();
  finetune(o);
  const std::string said = testing::internal::GetCapturedStderr();
  set_log_level(LogLevel::kQuiet);
  expect_mentions(said, {"checkpoint-6 is behind the 4 steps", "more --epochs or --max-steps"});
  const RunsReport report = list_runs(run.path("out").string(), "name");
  ASSERT_EQ(report.runs.size(), 1u);
  EXPECT_EQ(report.runs[0].steps, 6);
  EXPECT_EQ(report.runs[0].total_steps, 6);
  expect_mentions(report.text, {"finished", "6/6"});
}

// A recipe says what "auto" came to.
TEST(KeptRun, ItsOwnRecipesPrecisionIsNoOther) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.precision = "auto";
  const std::string final_folder = finetune(o).final_folder;
  o.resume = "auto";
  o.precision = "f32";
  EXPECT_TRUE(finetune(o).was_finished);
  o.precision = "bf16";
  expect_mentions(message_of([&] { finetune(o); }),
                  {"is finished", "trained with other settings: --precision (f32 then, bf16 now)"});
  FinetuneOptions other = run.options("lora", "other");
  other.precision = "f32";
  finetune(other);
  other.resume = "auto";
  other.precision = "auto";
  EXPECT_TRUE(finetune(other).was_finished);
}

// What is finished and kept no checkpoint does not begin anew, and is not said to.
TEST(KeptRun, AFinishedOneIsNotSaidToBeginAnew) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  finetune(o);
  o.resume = "auto";
  const LogLevel level = log_level();
  set_log_level(LogLevel::kInfo);
  testing::internal::CaptureStderr();
  finetune(o);
  const std::string said = testing::internal::GetCapturedStderr();
  set_log_level(level);
  EXPECT_EQ(said.find("starting at the beginning"), std::string::npos);
  expect_mentions(said, {"nothing to resume"});
}

TEST(KeptRun, NothingOfTheUsersInWhatARunSavedIsReplaced) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  const fs::path notes = fs::path(finetune(o).final_folder) / "notes.txt";
  write_file(notes, "mine");
  o.overwrite = true;
  expect_mentions(message_of([&] { finetune(o); }), {"final", "holds notes.txt", "move that away"});
  EXPECT_EQ(file_bytes(notes), "mine");
  fs::remove(notes);
  finetune(o);
}

// As a process leaves it that was killed between the two.
TEST(KeptRun, OneThatLiesAsideIsNotSaidToBeLost) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  const std::string weights = file_bytes(weights_of(finetune(o).final_folder));
  const fs::path out = o.out, aside = out / ".earlier-run";
  fs::create_directory(aside);
  fs::rename(out / "final", aside / "final");
  const auto ask = [&] { Model::open({.checkpoint = run.checkpoint, .adapter = o.out}); };
  expect_mentions(message_of(ask), {"saved nothing yet", ".earlier-run", "--resume puts it back"});
  expect_mentions(message_of([&] { verify({.folder = o.out}); }), {".earlier-run"});
  o.resume = "auto";
  EXPECT_EQ(file_bytes(weights_of(finetune(o).final_folder)), weights);
  ask();
}

TEST(CrashedRuns, AreSaidToBe) {
  const TinyRun run;
  const FinetuneOptions o = run.options("lora", "out");
  finetune(o);
  const fs::path status = run.path("out/status.json");
  auto json = nlohmann::json::parse(read_text_file(status));
  json["state"] = "running";
  write_file(status, json.dump());
  expect_mentions(list_runs(o.out, "name").text, {"crashed", "left no word of its end"});
  json["state"] = "failed";
  json["message"] = "metrics.jsonl: cannot be written: No space left on device";
  write_file(status, json.dump());
  expect_mentions(list_runs(o.out, "name").text, {"failed", "No space left on device"});
}

TEST(HeldOutLoss, ThatFallsUntilTheEndIsSaid) {
  const TinyRun run;
  fs::create_directory(run.path("data"));
  fs::copy(run.path("rows.jsonl"), run.path("data/train.jsonl"));
  fs::copy(run.path("rows.jsonl"), run.path("data/test.jsonl"));  // what is learned is asked
  FinetuneOptions o = run.options("full", "out");
  o.data = run.path("data").string();
  o.eval_interval = 4;
  o.overwrite = true;
  const auto said = [&](double lr, int64_t steps) {
    o.lr = lr;
    o.max_steps = steps;
    set_log_level(LogLevel::kInfo);
    testing::internal::CaptureStderr();
    finetune(o);
    set_log_level(LogLevel::kQuiet);
    return testing::internal::GetCapturedStderr();
  };
  expect_mentions(said(1e-3, 16), {"the held-out loss was still falling", "more --max-steps may"});
  EXPECT_EQ(said(1e-9, 16).find("still falling"), std::string::npos);
  EXPECT_EQ(said(1e-3, 4).find("still falling"), std::string::npos) << "of two nothing is known";
}

}  // namespace
}  // namespace falconer::test
