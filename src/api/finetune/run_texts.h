// What a run says of itself: its rows and its length before, its figures after.
#pragma once

#include "data/batches.h"
#include "data/load.h"
#include "falconer/finetune.h"
#include "train/run_folder.h"

namespace falconer {

/// "57 steps of 16 rows (3 epochs of 300 rows), 30 held out"
std::string steps_text(const StepPlan& steps, const StepPlanOptions& options,
                       const LoadedData& data);

/// Logs the length of a run and its rows, with a look at the first one: `whole` token by token, else in
/// a line; none where `tokenizer` is null. A run of a few steps is warned of. `o` has its length.
void say_rows(const FinetuneOptions& o, const LoadedData& data, const StepPlanOptions& batches,
              const Tokenizer* tokenizer, bool whole);

/// A plan as one JSON object; `resolved`: with what defaults came to; `a_rank`: the object of a plan for ranks.
std::string plan_json(const FinetunePlan& plan, const FinetuneOptions& resolved,
                      const std::string& a_rank = {});
/// How a run ended, as one JSON object.
std::string run_json(const FinetuneReport& report, const FinetuneOptions& resolved,
                     const TrainState& state);

}  // namespace falconer
