// Runs that were saved: listed, and looked at again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "falconer/error.h"

namespace falconer {

struct RunSummary {
  std::string folder, method;  // folder: as seen from the one that was listed
  /// "running", "finished", "stopped" (saved, to be gone on with), "failed" (with a message) or
  /// "crashed" (ended without a word).
  std::string state;
  std::string message, started;
  int64_t steps = 0, total_steps = 0, tokens = 0;
  std::optional<double> lr, loss, best_loss, eval_loss, best_eval_loss;  // loss: of the last step
  double seconds = 0, tokens_per_second = 0;
  int64_t peak_rss_bytes = 0;
};
struct RunsReport {
  std::vector<RunSummary> runs;
  std::string text, json;
};
/// The runs in `folder` and below it. `sort`: "name", "started", "loss", "eval-loss", "speed",
/// "memory" or "time"; the best first.
RunsReport list_runs(const std::string& folder, const std::string& sort = "name");

struct VerifyOptions {
  std::string folder;            // of a run, or of one adapter or model that a run saved
  std::string checkpoint, data;  // empty: as they were recorded
};
struct VerifyReport {
  bool ok = true;
  std::string text, json;
};
/// Looks again at all that was saved: that files read as they were written, that tensors are finite
/// and were trained, that the base, its tokenizer and the data are still those of the run. Writes
/// nothing.
VerifyReport verify(const VerifyOptions& options);

}  // namespace falconer
