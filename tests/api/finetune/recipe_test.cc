// What a run's folder says of the run: the recipe that runs it again, its state, and the list of runs.
#include "api/finetune/recipe.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/toml.h"
#include "support/errors.h"
#include "support/tiny_model.h"
#include "train/metrics.h"
#include "train/run_lock.h"
#include "train/run_status.h"
#include "train/tensorboard.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string> recipe_of(const fs::path& run) {
  std::map<std::string, std::string> values;
  for (const TomlEntry& entry : read_toml(run / "recipe.toml")) {
    std::string& value = values[entry.key];
    for (const std::string& one : entry.values) value += (value.empty() ? "" : ",") + one;
  }
  return values;
}

TEST(Recipe, ARunSavesWhatItsDefaultsCameTo) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.lr.reset();
  o.warmup_steps.reset();
  o.precision = "auto";
  o.max_steps = 20;
  finetune(o);
  const auto recipe = recipe_of(run.path("out"));
  EXPECT_EQ(recipe.at("lr"), "0.0003");
  EXPECT_EQ(recipe.at("weight-decay"), "0.01");
  EXPECT_EQ(recipe.at("warmup-steps"), "2");
  EXPECT_EQ(recipe.at("precision"), "f32");
  EXPECT_EQ(recipe.at("max-seq-length"), "64");
  EXPECT_EQ(recipe.at("lora-targets"), "q,v");
  EXPECT_EQ(recipe.at("checkpoint"), run.checkpoint);
  EXPECT_FALSE(recipe.contains("overwrite"));
}

TEST(Recipe, NamesThatLookLikeTomlSurvive) {
  FinetuneOptions o;
  o.checkpoint = "a \"b\" # c\\d\ne";
  o.data = "[x]";
  o.sample_prompt = "'\t'";
  const auto entries = parse_toml(recipe_text(o, {"a note\nlr = 7"}), "r");
  EXPECT_EQ(entries[0].key, "method");
  EXPECT_EQ(entries[1].values[0], o.checkpoint);
  EXPECT_EQ(entries[2].values[0], o.data);
  for (const TomlEntry& entry : entries) EXPECT_NE(entry.key, "lr");
}

TEST(Recipe, ATrainedOnAdapterBringsItsOwnRank) {
  const TinyRun run;
  FinetuneOptions first = run.options("lora", "first");
  first.lora_r = 3;
  FinetuneOptions o = run.options("lora", "second");
  o.init_adapter = finetune(first).final_folder;
  finetune(o);
  EXPECT_FALSE(recipe_of(run.path("second")).contains("lora-r"));
  EXPECT_EQ(recipe_of(run.path("second")).at("init-adapter"), o.init_adapter);
  // What is given must be what the adapter has.
  o.out = run.path("third").string();
  o.lora_r = 3;
  o.lora_dropout = 0.1;  // says how to train
  finetune(o);
  o.out = run.path("fourth").string();
  const std::vector<std::pair<const char*, std::function<void()>>> others = {
      {"lora-r", [&] { o.lora_r = 4; }},
      {"lora-alpha", [&] { o.lora_alpha = 7; }},
      {"lora-targets", [&] { o.lora_targets = {"q"}; }},
      {"lora-rs", [&] { o.lora_rs = true; }},
      {"lora-dora", [&] { o.lora_dora = true; }}};
  const FinetuneOptions good = o;
  for (const auto& [name, change] : others) {
    o = good;
    change();
    expect_mentions(message_of([&] { finetune(o); }), {name, "--init-adapter", "leave it out"});
    EXPECT_FALSE(fs::exists(run.path("fourth"))) << name;
  }
}

TEST(RunFolder, AStartThatFailsLeavesNothing) {
  const TinyRun run;
  for (const char* broken : {"data", "checkpoint", "init_adapter", "eval", "targets"}) {
    FinetuneOptions o = run.options("lora", "new/deeper");
    if (broken == std::string("data")) o.data = run.path("none").string();
    if (broken == std::string("checkpoint")) o.checkpoint = run.path("config").string();
    if (broken == std::string("init_adapter")) o.init_adapter = run.path("none").string();
    if (broken == std::string("eval")) o.eval_interval = 1;
    if (broken == std::string("targets")) o.lora_targets = {"nowhere"};
    EXPECT_THROW(finetune(o), Error) << broken;
    EXPECT_THROW(dry_run(o), Error) << broken;
    EXPECT_FALSE(fs::exists(run.path("new"))) << broken;
  }
}

TEST(RunFolder, AStartThatFailsKeepsTheEarlierRun) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  const std::string before = finetune(o).final_folder;
  o.overwrite = true;
  o.data = run.path("none").string();
  EXPECT_THROW(finetune(o), Error);
  EXPECT_TRUE(fs::exists(before));
}

TEST(RunFolder, OverwriteDoesNotRemoveWhatTheRunReads) {
  const TinyRun run;
  FinetuneOptions o = run.options("full", "out");
  const std::string trained = finetune(o).final_folder;
  o.checkpoint = trained;
  o.overwrite = true;
  expect_mentions(message_of([&] { finetune(o); }), {trained.c_str(), "--overwrite"});
  FinetuneOptions beside = run.options("lora", "out-too");  // a name that begins the same
  beside.checkpoint = trained;
  beside.overwrite = true;
  EXPECT_NO_THROW(dry_run(beside));
}

TEST(DryRun, FindsWhatTheRunWillDo) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.max_steps = 0;
  o.epochs = 3;
  o.batch_size = 10;
  o.test_size = 3;
  const FinetunePlan plan = dry_run(o);
  EXPECT_TRUE(plan.fits);
  EXPECT_EQ(plan.rows, 21);
  EXPECT_EQ(plan.held_out_rows, 3);
  EXPECT_EQ(plan.steps_per_epoch, 3);
  EXPECT_EQ(plan.steps, 9);
  EXPECT_EQ(plan.rows_seen, 63);
  EXPECT_GT(plan.trainable, 0);
  EXPECT_GT(plan.memory_bytes, 0);
  const FinetuneReport report = finetune(o);
  EXPECT_EQ(report.steps, plan.steps);
  EXPECT_EQ(report.trainable, plan.trainable);
  EXPECT_NEAR(static_cast<double>(report.tokens), static_cast<double>(plan.tokens_seen), 1);
  int64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(run.path("out/final")))
    bytes += static_cast<int64_t>(entry.file_size());
  EXPECT_LE(bytes, plan.disk_bytes);
}

TEST(DryRun, LeavesADamagedCheckpointWhereItIs) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.save_interval = 2;
  finetune(o);
  o.resume = "auto";
  o.max_steps = 6;
  write_file(run.path("out/checkpoint-4/trainer_state.json"), "{");
  dry_run(o);
  EXPECT_TRUE(fs::exists(run.path("out/checkpoint-4")));
  finetune(o);
  EXPECT_TRUE(fs::exists(run.path("out/damaged-checkpoint-4")));
  EXPECT_EQ(losses(run.path("out")).size(), 6u);
}

TEST(DryRun, LooksIntoAnAdapter) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.init_adapter = finetune(run.options("lora", "first")).final_folder;
  EXPECT_TRUE(dry_run(o).fits);
  const fs::path weights = fs::path(o.init_adapter) / "adapter_model.safetensors";
  fs::resize_file(weights, fs::file_size(weights) - 8);
  EXPECT_THROW(dry_run(o), Error);
}

TEST(Metrics, CsvAndJsonlHoldStepsAndEvaluationsOnceEach) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.test_size = 4;
  o.eval_interval = 2;
  finetune(o);
  // A resumed run without a checkpoint begins anew; its first evaluation is not written twice.
  fs::remove_all(run.path("out/final"));
  o.resume = "auto";
  finetune(o);
  for (const char* name : {"metrics.jsonl", "metrics.csv"}) {
    const std::string text = read_text_file(run.path("out") / name);
    const auto lines = std::count(text.begin(), text.end(), '\n');
    EXPECT_EQ(lines, 4 + 3 + (name == std::string("metrics.csv"))) << text;
  }
  EXPECT_EQ(list_event_files(run.path("out")).size(), 2u);
}

TEST(Metrics, TensorBoardFilesCanBeLeftOut) {
  const TinyRun run;
  FinetuneOptions o = run.options("lora", "out");
  o.tensorboard = false;
  finetune(o);
  EXPECT_TRUE(list_event_files(run.path("out")).empty());
}

class Runs : public ::testing::Test {
 protected:
  void metrics(const std::string& run, const std::string& text) {
    make_folder(folder / run);
    write_file(folder / run / "metrics.jsonl", text);
  }
  RunSummary only() {
    const RunsReport report = list_runs(folder.path().string());
    EXPECT_EQ(report.runs.size(), 1u);
    return report.runs.empty() ? RunSummary{} : report.runs[0];
  }
  TempFolder folder;
};

const std::string kRow1 =
    R"({"step":1,"loss":3.5,"lr":0.001,"grad_norm":1,"tokens":100,"tokens_per_second":50,"seconds":2,"peak_rss_bytes":1000000})"
    "\n";
const std::string kRow2 =
    R"({"step":2,"loss":4.5,"lr":0.002,"grad_norm":1,"tokens":300,"tokens_per_second":100,"seconds":3,"peak_rss_bytes":2000000})"
    "\n";

TEST_F(Runs, ShowARunAsItsMetricsSay) {
  metrics("a", kRow1 + R"({"step":1,"eval_loss":2.0})" + "\n" + kRow2 +
                   R"({"step":2,"eval_loss":2.5})" + "\n");
  const RunSummary run = only();
  EXPECT_EQ(run.folder, "a");
  EXPECT_EQ(run.steps, 2);
  EXPECT_EQ(run.tokens, 400);
  EXPECT_DOUBLE_EQ(run.tokens_per_second, 80);
  EXPECT_EQ(run.loss, 4.5);
  EXPECT_EQ(run.best_loss, 3.5);
  EXPECT_EQ(run.eval_loss, 2.5);
  EXPECT_EQ(run.best_eval_loss, 2.0);
  EXPECT_EQ(run.lr, 0.002);
  EXPECT_EQ(run.peak_rss_bytes, 2000000);
  EXPECT_EQ(run.state, "crashed");  // no final/, no checkpoint, nobody who says otherwise
}

TEST_F(Runs, BrokenFoldersAreListedAsFarAsTheyGo) {
  metrics("cut", kRow1 + kRow2.substr(0, 40));
  metrics("nonsense", "\xff\xfe not json\n[1,2]\n{\"step\":\"x\",\"loss\":{}}\n\n");
  metrics("null-loss", R"({"step":1,"loss":null,"tokens":1,"seconds":1})"
                       "\n");
  metrics("empty", "");
  make_folder(folder / "no-metrics");
  write_file(folder / "no-metrics/recipe.toml", "method = \"adapter\"\nlr = 0.5\n");
  make_folder(folder / "bad-recipe");
  write_file(folder / "bad-recipe/recipe.toml", "lr = = 3");
  write_file(folder / "bad-recipe/status.json", "{\"state\": 7");
  make_folder(folder / "folder-as-file/metrics.jsonl");
  write_file(folder / "folder-as-file/status.json", R"({"state":["x"],"pid":"y"})");
  make_folder(folder / "deep/er/run");
  write_file(folder / "deep/er/run/metrics.jsonl", kRow1);
  make_folder(folder / "not-a-run");
  const RunsReport report = list_runs(folder.path().string());
  std::map<std::string, RunSummary> runs;
  for (const RunSummary& run : report.runs) runs[run.folder] = run;
  EXPECT_EQ(runs.size(), 8u);
  EXPECT_EQ(runs["cut"].steps, 1);
  EXPECT_EQ(runs["nonsense"].loss, std::nullopt);
  EXPECT_EQ(runs["null-loss"].steps, 1);
  EXPECT_EQ(runs["null-loss"].loss, std::nullopt);
  EXPECT_EQ(runs["no-metrics"].method, "adapter");
  EXPECT_EQ(runs["no-metrics"].lr, 0.5);
  EXPECT_EQ(runs["deep/er/run"].steps, 1);
  EXPECT_FALSE(nlohmann::json::parse(report.json, nullptr, false).is_discarded());
}

TEST_F(Runs, StatesComeFromWhatIsThere) {
  metrics("finished", kRow1);
  make_folder(folder / "finished/final");
  metrics("stopped", kRow1);
  make_folder(folder / "stopped/checkpoint-1");
  metrics("failed", kRow1);
  RunStatusFile(folder / "failed", "lora", 9).fail("step 2: the loss is not finite");
  metrics("running", kRow1);
  const RunStatusFile alive(folder / "running", "lora", 9);
  const RunLock lock(folder / "running");
  metrics("killed", kRow1);
  // As the file of a process that is gone: another start under the same number.
  std::string text;
  {
    RunStatusFile status(folder / "killed", "lora", 9);
    auto json = nlohmann::json::parse(read_text_file(folder / "killed/status.json"));
    json["process_start"] = "1";
    text = json.dump();
  }
  write_file(folder / "killed/status.json", text);
  std::map<std::string, std::string> states;
  const RunsReport report = list_runs(folder.path().string());
  for (const RunSummary& run : report.runs) states[run.folder] = run.state;
  EXPECT_EQ(states, (std::map<std::string, std::string>{{"failed", "failed"},
                                                        {"finished", "finished"},
                                                        {"killed", "crashed"},
                                                        {"running", "running"},
                                                        {"stopped", "stopped"}}));
  EXPECT_NE(report.text.find("failed: step 2: the loss is not finite"), std::string::npos);
  EXPECT_NE(report.text.find("1/9"), std::string::npos);
}

TEST_F(Runs, AreSorted) {
  metrics("b", kRow1);
  metrics("a", kRow2);
  metrics("c", "");
  const auto order = [&](const std::string& by) {
    std::string names;
    for (const RunSummary& run : list_runs(folder.path().string(), by).runs) names += run.folder;
    return names;
  };
  EXPECT_EQ(order("name"), "abc");
  EXPECT_EQ(order("loss"), "bac");
  EXPECT_EQ(order("speed"), "abc");
  expect_mentions(message_of([&] { order("size"); }), {"size", "eval-loss"});
}

TEST_F(Runs, AFolderThatIsNotThereIsAnError) {
  expect_mentions(message_of([&] { list_runs((folder / "none").string()); }), {"none"});
  EXPECT_NE(list_runs(folder.path().string()).text.find("no runs"), std::string::npos);
}

TEST(RunFolder, TwoRunsDoNotTrainInOneFolder) {
  const TinyRun run;
  make_folder(run.path("out"));
  const RunLock other(run.path("out"));
  FinetuneOptions o = run.options("lora", "out");
  for (const bool overwrite : {false, true})
    for (const char* resume : {"", "auto"}) {
      o.overwrite = overwrite;
      o.resume = resume;
      expect_mentions(message_of([&] { finetune(o); }), {"trains in this folder"});
      expect_mentions(message_of([&] { dry_run(o); }), {"trains in this folder"});
    }
}

}  // namespace
}  // namespace falconer::test
