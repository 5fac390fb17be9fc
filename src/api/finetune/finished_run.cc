#include "api/finetune/finished_run.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "api/finetune/metrics_row.h"
#include "api/finetune/run_start.h"
#include "base/error.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/plural.h"
#include "base/system.h"
#include "train/run_status.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

// Judged as the trainer does.
void take_evaluation(TrainState& state, int64_t step, double loss) {
  if (!std::isfinite(loss) || (state.best_step >= 0 && loss >= state.best_eval_loss)) {
    ++state.evals_without_gain;
    return;
  }
  state.best_eval_loss = loss;
  state.best_step = step;
  state.evals_without_gain = 0;
}

// A line that a crash cut short is passed over.
FinishedRun read_metrics(const fs::path& path) {
  FinishedRun run;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto row = parse_json(line);
    if (!row.is_object()) continue;
    if (row.contains("eval_loss"))
      take_evaluation(run.state, count_of(row, "step"), real_of(row, "eval_loss").value_or(NAN));
    if (!row.contains("loss")) continue;
    run.state.step = count_of(row, "step");
    run.state.tokens += count_of(row, "tokens");
    const double seconds = real_of(row, "seconds").value_or(NAN);
    if (std::isfinite(seconds)) run.state.seconds += seconds;
    run.last_loss = real_of(row, "loss").value_or(NAN);
  }
  return run;
}

// "settings: --lr (0.1 then, 0.2 now)", "data", ...: what differs; nothing where all is the same.
std::string differing(const ModelRecord& saved, const ModelRecord& asked,
                      const FinetuneOptions& o) {
  if (const std::string changed = other_settings(saved, asked, o); !changed.empty())
    return "settings: " + changed;
  for (const char* what : {"data", "held_out", "base"})
    if (hash_in(saved, what) != hash_in(asked, what)) return what;
  return {};
}

}  // namespace

std::optional<FinishedRun> find_finished(const FinetuneOptions& o, int64_t steps,
                                         const ModelRecord& record, const fs::path& checkpoint) {
  const fs::path final_folder = fs::path(o.out) / "final";
  std::error_code error;
  if (o.resume.empty() || !fs::exists(final_folder, error)) return {};
  const FinishedRun run = read_metrics(fs::path(o.out) / "metrics.jsonl");
  const bool early = o.early_stop > 0 && run.state.evals_without_gain >= o.early_stop;
  const bool enough = steps <= run.state.step || early;
  const auto status = read_status(o.out);
  // One that was killed between final/ and its last word writes the same again from a checkpoint.
  const bool finished = status && status->state == "finished";
  if (!checkpoint.empty() && !(finished && enough)) return {};
  const std::string instead =
      spelled("--overwrite starts anew, ") +
      (o.method == "full" ? worded("--checkpoint {}", final_folder.string())
                          : worded("--init-adapter {}", final_folder.string())) +
      spelled(" and another --out train on");
  if (!enough)
    fail("{}: is finished after {} {}, and kept no checkpoint to go on from to step {}; {}", o.out,
         run.state.step, plural(run.state.step, "step"), steps, instead);
  const std::string text = fmt::format("{}: is finished after {} {}; nothing to resume ({})", o.out,
                                       run.state.step, plural(run.state.step, "step"), instead);
  const auto saved = read_record(final_folder);
  if (!saved) fail("{}; its final/falconer.json cannot be found", text);
  if (const std::string what = differing(*saved, record, o); !what.empty())
    fail("{}; it was trained with other {}", text, what == "held_out" ? "held-out rows" : what);
  log_info("{}", text);
  return run;
}

FinetuneReport report_of_finished(const FinishedRun& run, const std::string& out) {
  return {.steps = run.state.step,
          .tokens = run.state.tokens,
          .last_loss = run.last_loss,
          .seconds = run.state.seconds,
          .peak_rss_bytes = peak_rss_bytes(),
          .was_finished = true,
          .final_folder = (fs::path(out) / "final").string()};
}

}  // namespace falconer
