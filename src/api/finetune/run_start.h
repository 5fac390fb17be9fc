// A run before it begins: what would be in vain, whether there is room, and its figures for people.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/load.h"
#include "falconer/finetune.h"
#include "train/trainer.h"

namespace falconer {

/// Rows without labels have no loss: 0 of none would be the best there is. Errors: --eval-interval
/// without rows that have one.
void check_held_out(const RowView& rows, const FinetuneOptions& options);

/// What --resize-embeddings comes to: the checkpoint's embedding has `had` rows, that which is trained has
/// `rows`. Errors: there is no tokenizer; the adapter that is trained on has fewer rows than there
/// are tokens.
void check_rows_for_tokens(const FinetuneOptions& options, int64_t had, int64_t rows,
                           const std::optional<Tokenizer>& tokenizer,
                           const std::filesystem::path& checkpoint);

/// Puts into a record's settings what the method is that the session has: an adapter that was there
/// before (--init-adapter, or the checkpoint that the run goes on from) says that, not the flags.
void record_method(std::map<std::string, std::string>& settings, Session& session,
                   const FinetuneOptions& options, const std::filesystem::path& checkpoint);

/// What a run's recipe says besides settings.
std::vector<std::string> run_notes(const FinetuneOptions& options, Session& session,
                                   const LoadedData& data);

/// What is trained on, and how.
void record_rows_and_settings(ModelRecord& record, const LoadedData& data);

/// Which checkpoint is trained. Error: what is gone on with, an adapter or the run's `checkpoint`, was trained on
/// another.
void record_base(ModelRecord& record, const FinetuneOptions& options,
                 const std::filesystem::path& checkpoint, const Tokenizer* tokenizer);

/// The record's fingerprint of "data", "base", ...; empty where it has none.
std::string hash_in(const ModelRecord& record, const char* what);

/// What differs where a run was not made with the settings of `asked`, the record of `options`: "--lr (0.1 then, 0.2
/// now)"; empty: nothing. Precision "auto" is what it comes to for the checkpoint, which a run's recipe says.
std::string other_settings(const ModelRecord& saved, const ModelRecord& asked,
                           const FinetuneOptions& options);

/// A run that is gone on with in another way is told apart, and allowed: more rows, fewer steps.
void warn_of_changes(const ModelRecord& record, const FinetuneOptions& options,
                     const std::filesystem::path& checkpoint);

/// Of a run that goes on from `checkpoint` with other rows than it was saved with: the record says from which
/// step on it has these.
void record_change_of_rows(ModelRecord& record, const std::filesystem::path& checkpoint);

/// Says what of the learning rate is hardly meant: 0, or a warm-up that `steps` never come out of.
void warn_of_learning_rate(const TrainOptions& options, int64_t steps);

/// Input tokens of all rows.
int64_t tokens_of(const RowView& rows);

/// Bytes that the run has on disk at most, its checkpoints by steps and by time included.
int64_t disk_needed(Session& session, const RowView& rows, const TrainOptions& options);

/// Error: the run would write more than the disk has room for. Where it is checkpoints by time alone that
/// are too many, and nobody asked for them, `train` saves none.
void refuse_full_disk(Session& session, const RowView& rows, const FinetuneOptions& options,
                      TrainOptions& train);

/// A dry run's figures; the session was planned.
FinetunePlan plan_run(Session& session, const LoadedData& data, const TrainOptions& options);

/// The same for people; `mapped`: some weights are read where they lie in files.
std::string plan_text_of(const FinetunePlan& plan, const TrainOptions& options,
                         const std::filesystem::path& checkpoint, bool mapped);

}  // namespace falconer
