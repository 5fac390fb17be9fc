// What a run is given besides settings, and what its trainer is told of all.
#pragma once

#include <map>
#include <string>

#include "data/batches.h"
#include "falconer/finetune.h"
#include "train/trainer.h"

namespace falconer {

/// `o.data` is what rows in memory are called. Error (usage): data is named as well.
void take_rows_in_memory(FinetuneOptions& o);

/// What falconer.json says of the rows; `asked`: the path as it was given, empty where they are in memory.
std::map<std::string, std::string> data_record(const FinetuneOptions& o, const std::string& asked);

/// All but the record.
TrainOptions train_options_of(const FinetuneOptions& o, const StepPlanOptions& batches,
                              int64_t total_steps);

/// The options with what their defaults came to: a later version may have other defaults. `asked`: with names as they
/// were given.
FinetuneOptions resolved_options(const FinetuneOptions& o, const FinetuneOptions& asked,
                                 const TrainOptions& train, const Session& session,
                                 const RenderedAs& rendered);

/// The trainer tells `context` of its steps, and asks it whether to stop.
void listen(const RunContext& context, int64_t total_steps, Trainer& trainer);

}  // namespace falconer
