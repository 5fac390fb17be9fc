// What a run's folder says of the run, read from files that nobody has vouched for.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>

#include "base/file.h"
#include "data/batches.h"
#include "support/errors.h"
#include "support/hostile_numbers.h"
#include "support/temp_folder.h"
#include "train/metrics.h"
#include "train/run_folder.h"
#include "train/run_status.h"

namespace falconer::test {
namespace {

std::string state_with(const std::string& key, const std::string& value) {
  std::map<std::string, std::string> fields = {
      {"step", "8"},          {"tokens", "100"},        {"seconds", "1.5"},
      {"best_step", "4"},     {"best_eval_loss", "2"},  {"evals_without_gain", "1"},
      {"skipped_steps", "1"}, {"recent_losses", "[1]"}, {"recent_norms", "[2]"}};
  fields[key] = value;
  std::string text;
  for (const auto& [name, field] : fields)
    text += (text.empty() ? "{\"" : ", \"") + name + "\": " + field;
  return text + "}";
}

// Either an error that names the file, or a state that a run can have.
TEST(TrainState, HoldsWhatARunCanHave) {
  const TempFolder folder;
  int taken = 0, refused = 0;
  for (const char* key : {"step", "tokens", "seconds", "best_step", "best_eval_loss",
                          "evals_without_gain", "skipped_steps", "recent_losses", "recent_norms"})
    for (const std::string value : kHostileNumbers) {
      const bool list = std::string(key).starts_with("recent_");
      write_file(folder / "trainer_state.json", state_with(key, list ? "[" + value + "]" : value));
      SCOPED_TRACE(std::string(key) + " " + value);
      try {
        const TrainState state = read_train_state(folder.path());
        EXPECT_TRUE(state.step >= 0 && state.step <= kMostSteps);
        EXPECT_TRUE(state.skipped_steps >= 0 && state.skipped_steps <= state.step);
        EXPECT_TRUE(state.best_step >= -1 && state.best_step <= state.step);
        EXPECT_TRUE(state.tokens >= 0 && state.evals_without_gain >= 0);
        EXPECT_TRUE(std::isfinite(state.seconds) && state.seconds >= 0);
        EXPECT_TRUE(std::isfinite(state.best_eval_loss));
        for (const double number : state.recent.losses) EXPECT_TRUE(std::isfinite(number));
        ++taken;
      } catch (const Error& error) {
        expect_mentions(error.what(), {"trainer_state.json"});
        ++refused;
      }
    }
  EXPECT_GT(taken, 20);
  EXPECT_GT(refused, 80);
  std::string many = "[0";
  for (int i = 0; i < 99; ++i) many += ",0";
  write_file(folder / "trainer_state.json", state_with("recent_losses", many + "]"));
  expect_mentions(message_of([&] { read_train_state(folder.path()); }), {"recent_losses", "100"});
}

// A version that took NaN for the best loss wrote null: such a checkpoint is as good as others.
TEST(TrainState, ABestLossThatWasNoneIsNone) {
  const TempFolder folder;
  write_file(folder / "trainer_state.json", state_with("best_eval_loss", "null"));
  const TrainState state = read_train_state(folder.path());
  EXPECT_EQ(state.best_step, -1);
  EXPECT_EQ(state.step, 8);
}

TEST(RunStatus, NumbersThatCannotBeAreNone) {
  const TempFolder folder;
  for (const char* key : {"pid", "total_steps"})
    for (const std::string value : kHostileNumbers) {
      write_file(folder / "status.json",
                 "{\"state\": \"running\", \"" + std::string(key) + "\": " + value + "}");
      if (const auto status = read_status(folder.path())) {
        EXPECT_GE(status->pid, 0) << value;
        EXPECT_GE(status->total_steps, 0) << value;
        is_alive(*status, folder.path());
      }
    }
}

TEST(ModelRecord, FormatsThatCannotBeAreNamed) {
  const TempFolder folder;
  for (const std::string value : kHostileNumbers) {
    if (value == "null") continue;
    write_file(folder / "falconer.json", "{\"format\": " + value + "}");
    expect_mentions(message_of([&] { read_record(folder.path()); }), {"falconer.json"});
  }
  for (const char* text : {"{\"method\": 3}", "{\"settings\": [1]}", "{\"settings\": {\"lr\": 3}}",
                           "{\"hashes\": \"x\"}", "{\"data\": {\"path\": null, \"format\": []}}"}) {
    write_file(folder / "falconer.json", text);
    expect_mentions(message_of([&] { read_record(folder.path()); }), {"falconer.json"});
  }
}

TEST(MetricsLog, KeepsRowsOfStepsThatCanBe) {
  const TempFolder folder;
  std::string lines, table = "step\n";
  for (const std::string value : kHostileNumbers) {
    lines += "{\"step\": " + value + ", \"loss\": 1}\n";
    table += value + ",1,1,1,1,1,1,1,\n";
  }
  write_file(folder / "metrics.jsonl", lines + "{\"step\": 2, \"loss\": 1}\n{\"step\": 4, \"l");
  write_file(folder / "metrics.csv", table + "2,1,1,1,1,1,1,1,\n2,1\n");
  { const MetricsLog log(folder.path(), 3, false); }
  EXPECT_EQ(read_text_file(folder / "metrics.jsonl"),
            "{\"step\": 0, \"loss\": 1}\n{\"step\": 2, \"loss\": 1}\n");
  EXPECT_EQ(read_text_file(folder / "metrics.csv"), "step\n0,1,1,1,1,1,1,1,\n2,1,1,1,1,1,1,1,\n");
}

// A full disk takes no new file, and what ended the run is still to be said: into the file that is there. A
// path that leaves no room for a partial file's name stands for such a disk.
TEST(RunStatus, WhatEndedARunIsSaidWhereNoFileCanBeWritten) {
  constexpr size_t kLongestPath = 4095;
  const TempFolder folder;
  RunStatusFile status(folder.path(), "lora", 60);
  std::filesystem::path deep = std::filesystem::absolute(folder.path());
  while (deep.string().size() + 3 < kLongestPath)
    deep /= std::string(std::min<size_t>(200, kLongestPath - deep.string().size() - 3), 'x');
  std::filesystem::create_directories(deep);
  const std::filesystem::path far = deep / "s";
  std::filesystem::rename(folder / "status.json", far);
  std::filesystem::create_symlink(far, folder / "status.json");
  ASSERT_THROW(write_file(folder / "status.json", "{}"), Error);
  status.fail("metrics.jsonl: cannot be written: No space left on device" + std::string(9000, '!'));
  const auto found = read_status(folder.path());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->state, "failed");
  EXPECT_EQ(found->message.substr(0, 28), "metrics.jsonl: cannot be wri");
  EXPECT_EQ(found->total_steps, 60);
  EXPECT_LE(std::filesystem::file_size(far), 4096u);
}

}  // namespace
}  // namespace falconer::test
