#include "api/measure/compare_measure.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "api/data/read_rows.h"
#include "api/finetune/metrics_row.h"
#include "base/error.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/joined.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/process.h"
#include "falconer/process.h"
#include "train/run_folder.h"
#include "train/run_status.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

nlohmann::ordered_json json_of(const MeasuredSpeed& speed) {
  return {{"prefill_tokens_per_second", speed.prompt_tokens_per_second},
          {"decode_tokens_per_second", speed.tokens_per_second},
          {"peak_rss_bytes", speed.peak_bytes}};
}

MeasuredSpeed speed_of(const nlohmann::json& json) {
  return {.prompt_tokens_per_second = json.at("prefill_tokens_per_second"),
          .tokens_per_second = json.at("decode_tokens_per_second"),
          .peak_bytes = json.at("peak_rss_bytes")};
}

// How it was measured: figures of another way of measuring do not belong beside these.
nlohmann::ordered_json way_of(const CompareOptions& o) {
  return {{"new_tokens", o.new_tokens},
          {"repeats", o.repeats},
          {"threads", o.threads},
          {"merge", o.merge},
          {"version", version()}};
}

// What a command says that is run for a figure alone: its warnings, or nothing.
std::string log_word() { return log_level() == LogLevel::kQuiet ? "--log=quiet" : "--log=warning"; }

}  // namespace

Measurements::Measurements(const CompareOptions& options, const FinetuneOptions& common,
                           fs::path held_out, int64_t longest_answer, std::vector<int32_t> prompt)
    : options_(options),
      checkpoint_(common.checkpoint),
      where_{"--precision=" + common.precision},
      program_(options.program.empty() ? this_program() : options.program),
      held_out_(std::move(held_out)),
      longest_answer_(longest_answer),
      prompt_(std::move(prompt)) {
  if (!common.device.empty()) where_.push_back("--device=" + common.device);
  // Of merged models as well: what is served is what was trained.
  if (!common.quantize.empty()) where_.push_back("--quantize=" + common.quantize);
}

// One falconer with these words, to its end; what it wrote to stdout.
std::string Measurements::run(const std::vector<std::string>& words) const {
  std::vector<std::string> all = {program_};
  if (options_.threads > 0) {
    all.push_back("--threads");
    all.push_back(std::to_string(options_.threads));
  }
  all.insert(all.end(), words.begin(), words.end());
  const ProcessResult result = run_process(all);
  if (interrupted() || is_interrupt_exit_code(result.exit_code))
    throw Error("interrupted; the same command goes on from here",
                interrupted() ? interrupt_exit_code() : result.exit_code);
  if (result.exit_code != 0)
    fail("falconer {} ended with exit code {}; what it said is above", words.front(),
         result.exit_code);
  return result.output;
}

void Measurements::train(const ComparedFiles& files) const {
  const auto status = read_status(files.run());
  if (status && status->state == "finished" && fs::exists(files.run() / "final")) return;
  const bool told = log_level() <= LogLevel::kInfo;
  std::vector<std::string> words = {"finetune", told ? "--log=info" : log_word(), "--config",
                                    files.recipe().string()};
  if (!list_checkpoints(files.run()).empty())
    words.push_back("--resume=auto");
  else
    words.push_back("--overwrite");  // of a run that ended before its first checkpoint
  run(words);
}

std::optional<int64_t> Measurements::exact(const ComparedFiles& files,
                                           const std::vector<std::string>& model) const {
  if (options_.ask == 0 || longest_answer_ == 0) return {};
  if (!fs::exists(files.answers())) {
    std::vector<std::string> words = {"evaluate"};
    words.insert(words.end(), model.begin(), model.end());
    words.insert(words.end(), where_.begin(), where_.end());
    // An answer that is longer than the longest expected one is wrong already.
    for (const std::string& word :
         {log_word(), "--data=" + held_out_.string(), "--output=" + files.answers().string(),
          fmt::format("--limit={}", options_.ask),
          fmt::format("--max-new-tokens={}", longest_answer_ + 1)})
      words.push_back(word);
    run(words);
  }
  int64_t right = 0;
  for_each_json_line(files.answers().string(), [&](const nlohmann::json& row, int64_t) {
    right += row.value("exact", false) ? 1 : 0;
  });
  return right;
}

std::optional<std::string> Measurements::merge(const ComparedFiles& files) const {
  std::error_code ignored;
  fs::remove_all(files.merged(), ignored);
  try {
    run({"merge", log_word(), "--checkpoint=" + checkpoint_,
         "--adapter=" + (files.run() / "final").string(), "--out=" + files.merged().string()});
  } catch (const Error& error) {
    if (is_interrupt_exit_code(error.exit_code())) throw;
    return error.what();
  }
  return {};
}

MeasuredSpeed Measurements::speed(const std::vector<std::string>& model) const {
  std::vector<std::string> words = {"generate"};
  words.insert(words.end(), model.begin(), model.end());
  words.insert(words.end(), where_.begin(), where_.end());
  for (const std::string& word :
       {log_word(), std::string("--json"), std::string("--ignore-eos"),
        std::string("--temperature=0"), fmt::format("--prompt-ids={}", joined(prompt_, ",")),
        fmt::format("--max-new-tokens={}", options_.new_tokens)})
    words.push_back(word);
  const auto json = parse_json(run(words));
  try {
    return speed_of(json);
  } catch (const nlohmann::json::exception& error) {
    fail("falconer generate --json: {}", error.what());
  }
}

void write_speed(const fs::path& path, const StoredSpeed& stored, const CompareOptions& options) {
  nlohmann::ordered_json json = {{"way", way_of(options)}, {"speed", json_of(stored.speed)}};
  if (stored.merged) json["merged"] = json_of(*stored.merged);
  json["merged_note"] = stored.merged_note;
  write_file(path, json_text(json, 2) + "\n");
}

std::optional<StoredSpeed> read_speed(const fs::path& path, const CompareOptions& options) {
  if (!fs::exists(path)) return {};
  const auto json = parse_json(read_text_file(path));
  if (!json.is_object() || json.value("way", nlohmann::json()) != nlohmann::json(way_of(options)))
    return {};
  try {
    StoredSpeed stored{
        .speed = speed_of(json.at("speed")), .merged = {}, .merged_note = json.at("merged_note")};
    if (json.contains("merged")) stored.merged = speed_of(json["merged"]);
    return stored;
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

MeasuredSpeed median(const std::vector<MeasuredSpeed>& all) {
  const auto middle = [&](auto member) {
    auto values = std::vector<std::decay_t<decltype(all.front().*member)>>();
    for (const MeasuredSpeed& one : all) values.push_back(one.*member);
    std::nth_element(values.begin(), values.begin() + std::ssize(values) / 2, values.end());
    return values[values.size() / 2];
  };
  if (all.empty()) return {};
  return {.prompt_tokens_per_second = middle(&MeasuredSpeed::prompt_tokens_per_second),
          .tokens_per_second = middle(&MeasuredSpeed::tokens_per_second),
          .peak_bytes = middle(&MeasuredSpeed::peak_bytes)};
}

void read_run_metrics(const fs::path& run_folder, ComparedRun& run) {
  for_each_json_line(
      (run_folder / "metrics.jsonl").string(), [&](const nlohmann::json& row, int64_t) {
        const int64_t step = count_of(row, "step");
        if (const auto loss = real_of(row, "eval_loss")) {
          run.held_out_x.push_back(static_cast<double>(step));
          run.held_out_losses.push_back(*loss);
        }
        if (!row.contains("loss")) return;
        if (const auto loss = real_of(row, "loss")) {
          run.steps_x.push_back(static_cast<double>(step));
          run.losses.push_back(*loss);
        }
        run.steps = step;
        run.tokens += count_of(row, "tokens");
        run.train_seconds += real_of(row, "seconds").value_or(0);
        run.train_peak_bytes = std::max(run.train_peak_bytes, count_of(row, "peak_rss_bytes"));
      });
  if (run.held_out_losses.empty()) return;
  run.held_out_loss = run.held_out_losses.back();
  run.best_held_out_loss =
      *std::min_element(run.held_out_losses.begin(), run.held_out_losses.end());
}

}  // namespace falconer
