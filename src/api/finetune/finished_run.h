// A run that had come to its end when it was to be gone on with.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "falconer/finetune.h"
#include "train/run_folder.h"

namespace falconer {

struct FinishedRun {
  TrainState state;  // as far as the metrics tell: steps, tokens, seconds, the best held-out loss
  double last_loss = 0;
};

/// The run in --out whose final/ is all that the settings ask for: it has trained `steps`, or stopped
/// early. Nothing where there is none, or where it goes on from `checkpoint`. Errors: it was trained with
/// other settings or data than `record` has hashes of, or goes on to `steps` and kept no checkpoint.
std::optional<FinishedRun> find_finished(const FinetuneOptions& options, int64_t steps,
                                         const ModelRecord& record,
                                         const std::filesystem::path& checkpoint);

/// What finetune() says of it, but for `trainable` and `json`; `out`: its folder.
FinetuneReport report_of_finished(const FinishedRun& run, const std::string& out);

}  // namespace falconer
