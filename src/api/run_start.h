// The folder of a run before the run begins: what may be in it, and whether there is room.
#pragma once

#include <filesystem>

#include "data/load.h"
#include "falconer/finetune.h"
#include "train/trainer.h"

namespace falconer {

/// Looks only. Errors: an earlier run that is neither to be gone on with nor replaced, a run that
/// goes on in it right now, the checkpoint inside of what --overwrite would remove, no permission.
void check_run_folder(const FinetuneOptions& options);

/// Error: `out` is the model's folder or lies in it.
void refuse_inside_model(const std::string& out, const std::string& checkpoint);

/// Makes the folder; with --overwrite the earlier run in it is removed.
void claim_run_folder(const FinetuneOptions& options);

/// The newest checkpoint that can be read whole, or the one that --resume names; empty where the
/// run begins anew. Before that, unless `dry`, what a killed run left half-written is put in order;
/// damaged checkpoints are set aside. Error: --resume names an older one than the newest.
std::filesystem::path find_checkpoint(const FinetuneOptions& options, bool dry);

/// Where rows that do not fit in memory may lie before the folder is made: in the first folder above
/// it that is there. Empty where none can be written to.
std::filesystem::path scratch_folder(const std::filesystem::path& out);

/// Input tokens of all rows.
int64_t tokens_of(const RowView& rows);

/// Bytes that the run has on disk at most.
int64_t disk_needed(Session& session, const RowView& rows, const TrainOptions& options);

/// A dry run's figures; the session was planned.
FinetunePlan plan_run(Session& session, const LoadedData& data, const TrainOptions& options);

/// The same for people; `mapped`: some weights are read where they lie in files.
std::string plan_text_of(const FinetunePlan& plan, const TrainOptions& options,
                         const std::filesystem::path& checkpoint, bool mapped);

}  // namespace falconer
