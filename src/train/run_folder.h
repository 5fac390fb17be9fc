// A run's folder: what is saved in it, and how a run goes on from there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "method/session.h"
#include "train/spike_guard.h"

namespace falconer {

/// Facts that are recorded beside every saved adapter or model, in falconer.json, and read again by
/// whoever uses it.
struct ModelRecord {
  std::string method, prompt_style, base_checkpoint;
  std::map<std::string, std::string> settings;  // the run's, for people
  std::string prompt_template;                  // the style's text: a name may come to mean another
  /// The file of rows, as it was named, and how it was read: "path", "test_size", "format",
  /// "skip_bad".
  std::map<std::string, std::string> data;
  /// Fingerprints of what the run read: "base" (weights_fingerprint()), "tokenizer", "data",
  /// "held_out", and "settings". Empty ones are left out.
  std::map<std::string, std::string> hashes;
  /// What the matrices of the base's layers were in blocks of, "NF4" or "Q4_K, Q6_K"; empty: of nothing.
  std::string quantisation;

  /// What belongs into a model's own files as its chat template: the style that was trained, unless that is
  /// the checkpoint's own, or none at all. Empty: nothing.
  std::string chat_template() const;
};

/// Writes the adapter, or the whole model where the method changes it, to `folder`, which appears, or replaces
/// what was there, when all is written; re-reads its tensors and compares, and writes the hashes of its files. Of
/// a job's ranks all call this, and the first one writes: what is divided comes to it band by band. A
/// whole model is a Hugging Face folder: config.json, tokenizer files, safetensors in the precision
/// of the run.
void save_model(const std::filesystem::path& folder, Session& session, const ModelRecord& record);

/// config.json (changed where `config` differs from what `source` says) and the tokenizer's files
/// of a model that is saved to `folder` in `dtype`.
/// `chat_template`: of what is written; empty: the source's. `files`: of the tokenizer, where they are not the
/// source's.
void write_model_folder(const std::filesystem::path& folder, const std::filesystem::path& source,
                        const ModelConfig& config, Dtype dtype, const std::string& chat_template,
                        const std::map<std::string, std::string>* files = nullptr);

/// falconer.json of an adapter's or a model's folder; nothing where there is none.
std::optional<ModelRecord> read_record(const std::filesystem::path& folder);

/// Where a run stands: what its data order, schedule and random numbers follow from.
struct TrainState {
  int64_t step = 0;
  int64_t tokens = 0;
  double seconds = 0;
  double best_eval_loss = 0;
  int64_t best_step = -1, evals_without_gain = 0;
  int64_t skipped_steps = 0;  // left out because they were not finite, spiked, or had no targets
  bool by_time = false;       // saved because the time for it had come, and for nothing else
  SpikeGuard::Recent recent;
};

/// The first trained tensor, or part of its optimizer's state, that holds an infinite number or NaN:
/// what is not finite is not worth saving, and hides what was.
std::optional<std::string> not_finite(Session& session);

/// Bytes on the disk of the model or adapter that save_model() writes, and of a whole checkpoint.
int64_t model_bytes(Session& session);
int64_t checkpoint_bytes(Session& session);

/// With all ranks, as save_model(). Saves checkpoint-<step>/ whole or not at all, re-reads its tensors and compares, writes the hashes
/// of its files (sums.h), then prunes. Errors: no room, not writable; what was saved before stays.
void save_checkpoint(const std::filesystem::path& run_folder, Session& session,
                     const ModelRecord& record, const TrainState& state, int keep);

/// Removes the oldest checkpoints beyond `keep`. 0 keeps all, but of those saved by time the newest
/// alone.
void prune_checkpoints(const std::filesystem::path& run_folder, int keep);

/// The checkpoints in a run's folder, newest first.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& run_folder);

/// Error: a file of the checkpoint is missing, or reads differently than when it was saved.
void check_checkpoint(const std::filesystem::path& checkpoint);

/// The state in a checkpoint. Error: missing, damaged, or numbers that no run has.
TrainState read_train_state(const std::filesystem::path& checkpoint);

}  // namespace falconer
