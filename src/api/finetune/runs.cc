// falconer runs: the runs below a folder, side by side.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "api/finetune/metrics_row.h"
#include "base/error.h"
#include "base/json_text.h"
#include "base/nearest.h"
#include "base/number.h"
#include "base/path.h"
#include "base/terminal.h"
#include "base/toml.h"
#include "falconer/watch.h"
#include "report/table.h"
#include "train/run_folder.h"
#include "train/run_status.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;
constexpr int kDeepest = 6;

bool is_run(const fs::path& folder) {
  std::error_code error;
  for (const char* name : {"metrics.jsonl", "status.json", "recipe.toml"})
    if (fs::is_regular_file(folder / name, error)) return true;
  return false;
}

void find_runs(const fs::path& folder, int depth, std::vector<fs::path>& found) {
  if (is_run(folder)) {
    found.push_back(folder);
    return;
  }
  if (depth == kDeepest) return;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const bool hidden = at->path().filename().string().starts_with(".");
    if (!hidden && !at->is_symlink(error) && at->is_directory(error))
      find_runs(at->path(), depth + 1, found);
  }
}

void take_lower(std::optional<double>& best, double value) {
  if (!best || value < *best) best = value;
}

// A line that a crash cut short, or that holds something else, is passed over.
void read_metrics(const fs::path& path, RunSummary& run) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return;
  std::ifstream file(path);
  double highest_lr = 0;
  for (std::string line; std::getline(file, line);) {
    const auto row = parse_json(line);
    if (!row.is_object()) continue;
    if (const auto loss = real_of(row, "eval_loss")) {
      run.eval_loss = loss;
      take_lower(run.best_eval_loss, *loss);
    }
    if (!row.contains("loss")) continue;
    run.loss = real_of(row, "loss");
    if (run.loss) take_lower(run.best_loss, *run.loss);
    run.steps = count_of(row, "step");
    run.tokens += count_of(row, "tokens");
    run.seconds += real_of(row, "seconds").value_or(0);
    run.peak_rss_bytes = std::max(run.peak_rss_bytes, count_of(row, "peak_rss_bytes"));
    highest_lr = std::max(highest_lr, real_of(row, "lr").value_or(0));
  }
  if (run.steps > 0) run.lr = highest_lr;
  if (run.seconds > 0) run.tokens_per_second = static_cast<double>(run.tokens) / run.seconds;
}

// What the run was asked for; a recipe that cannot be read leaves what is known already.
void read_settings(const fs::path& path, RunSummary& run) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return;
  try {
    for (const TomlEntry& entry : read_toml(path)) {
      if (entry.key == "method" && !entry.values.empty()) run.method = entry.values[0];
      if (entry.key == "lr" && !entry.values.empty()) run.lr = real_of_text(entry.values[0]);
    }
  } catch (const Error&) {
  }
}

std::string state_of(const fs::path& folder, const std::optional<RunStatus>& status) {
  if (status && status->state == "running")
    return is_alive(*status, folder) ? "running" : "crashed";
  if (status && !status->state.empty()) return status->state;
  std::error_code error;
  if (fs::is_directory(folder / "final", error)) return "finished";
  return list_checkpoints(folder).empty() ? "crashed" : "stopped";
}

RunSummary summarise(const fs::path& run_folder, const fs::path& listed) {
  RunSummary run;
  run.folder =
      run_folder == listed ? run_folder.string() : run_folder.lexically_relative(listed).string();
  read_metrics(run_folder / "metrics.jsonl", run);
  read_settings(run_folder / "recipe.toml", run);
  const auto status = read_status(run_folder);
  run.state = state_of(run_folder, status);
  if (!status) return run;
  if (!status->method.empty()) run.method = status->method;
  run.message = status->message;
  run.started = status->started;
  run.total_steps = status->total_steps;
  return run;
}

void check_sort(const std::string& by) {
  const std::vector<std::string> all = {"name",  "started", "loss", "eval-loss",
                                        "speed", "memory",  "time"};
  if (std::find(all.begin(), all.end(), by) == all.end()) fail_choice("--sort", by, all);
}

void sort_runs(std::vector<RunSummary>& runs, const std::string& by) {
  static constexpr double kLast = std::numeric_limits<double>::infinity();
  std::function<double(const RunSummary&)> key;
  if (by == "loss") key = [](const RunSummary& r) { return r.loss.value_or(kLast); };
  if (by == "eval-loss") key = [](const RunSummary& r) { return r.best_eval_loss.value_or(kLast); };
  if (by == "speed") key = [](const RunSummary& r) { return -r.tokens_per_second; };
  if (by == "memory")
    key = [](const RunSummary& r) { return static_cast<double>(r.peak_rss_bytes); };
  if (by == "time") key = [](const RunSummary& r) { return r.seconds; };
  std::sort(runs.begin(), runs.end(),
            [](const RunSummary& a, const RunSummary& b) { return a.folder < b.folder; });
  if (by == "name") return;
  std::stable_sort(runs.begin(), runs.end(), [&](const RunSummary& a, const RunSummary& b) {
    return key ? key(a) < key(b) : a.started < b.started;
  });
}

std::string table_of(const std::vector<RunSummary>& runs) {
  const auto figure = [](const std::optional<double>& value, const char* format) {
    return value ? fmt::format(fmt::runtime(format), *value) : std::string("-");
  };
  Table table;
  table.columns = {{"run"},
                   {"method", false, true},
                   {"state"},
                   {"steps", true},
                   {"lr", true, true},
                   {"loss", true},
                   {"lowest", true, true},
                   {"held-out", true},
                   {"lowest", true, true},
                   {"tok/s", true, true},
                   {"memory", true, true},
                   {"time", true}};
  for (const RunSummary& r : runs)
    table.rows.push_back(
        {r.folder, r.method.empty() ? "-" : r.method, r.state,
         r.total_steps > 0 ? fmt::format("{}/{}", r.steps, r.total_steps)
                           : fmt::format("{}", r.steps),
         figure(r.lr, "{:.2g}"), figure(r.loss, "{:.4f}"), figure(r.best_loss, "{:.4f}"),
         figure(r.eval_loss, "{:.4f}"), figure(r.best_eval_loss, "{:.4f}"),
         r.seconds > 0 ? fmt::format("{:.1f}", r.tokens_per_second) : "-",
         r.peak_rss_bytes > 0
             ? fmt::format("{:.2f} GB", static_cast<double>(r.peak_rss_bytes) / 1e9)
             : "-",
         duration_text(r.seconds)});
  std::string text = text_table(table);
  for (const RunSummary& r : runs)
    if (!r.message.empty())
      text += fmt::format("{}: {}\n", printable(r.folder), printable(r.message));
    else if (r.state == "crashed")
      text += fmt::format(
          "{}: left no word of its end: it was killed, or the machine stopped or had no memory "
          "left\n",
          printable(r.folder));
  return text;
}

std::string json_of(const std::vector<RunSummary>& runs) {
  const auto figure = [](const std::optional<double>& value) {
    return value && std::isfinite(*value) ? nlohmann::ordered_json(*value)
                                          : nlohmann::ordered_json(nullptr);
  };
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const RunSummary& r : runs)
    all.push_back({{"run", r.folder},
                   {"method", r.method},
                   {"state", r.state},
                   {"message", r.message},
                   {"started", r.started},
                   {"steps", r.steps},
                   {"total_steps", r.total_steps},
                   {"tokens", r.tokens},
                   {"lr", figure(r.lr)},
                   {"loss", figure(r.loss)},
                   {"best_loss", figure(r.best_loss)},
                   {"eval_loss", figure(r.eval_loss)},
                   {"best_eval_loss", figure(r.best_eval_loss)},
                   {"tokens_per_second", r.tokens_per_second},
                   {"peak_rss_bytes", r.peak_rss_bytes},
                   {"seconds", r.seconds}});
  return json_text(all, 2) + "\n";
}

}  // namespace

RunsReport list_runs(const std::string& folder, const std::string& sort) {
  check_sort(sort);
  if (!is_there(folder)) fail("{}: {}", folder, not_found_text(folder, "a folder with runs in it"));
  if (!is_folder(folder)) fail("{}: is a file; expected a folder with runs in it", folder);
  std::vector<fs::path> found;
  find_runs(folder, 0, found);
  RunsReport report;
  for (const fs::path& run : found) report.runs.push_back(summarise(run, folder));
  sort_runs(report.runs, sort);
  report.text =
      report.runs.empty() ? fmt::format("no runs in {}\n", folder) : table_of(report.runs);
  report.json = json_of(report.runs);
  return report;
}

}  // namespace falconer
