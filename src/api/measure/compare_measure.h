// What `falconer compare` lets other processes do: training, answering, merging, and what came out.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "api/finetune/finetuning.h"
#include "falconer/compare.h"
#include "report/comparison.h"

namespace falconer {

/// Where the files of a run lie: out/NAME/ is the run's folder, out/recipes/ holds its recipe,
/// out/measured/ what was measured.
struct ComparedFiles {
  std::filesystem::path out;
  std::string name;

  std::filesystem::path run() const { return out / name; }
  std::filesystem::path recipe() const { return out / "recipes" / (name + ".toml"); }
  std::filesystem::path answers() const { return measured("-answers.jsonl"); }
  std::filesystem::path speed() const { return measured("-speed.json"); }
  std::filesystem::path merged() const { return measured("-merged"); }
  std::filesystem::path measured(const char* what) const {
    return out / "measured" / (name + what);
  }
};

class Measurements {
 public:
  /// `held_out`: rows of token ids, in a file. `longest_answer`: tokens of the longest expected one.
  Measurements(const CompareOptions& options, const FinetuneOptions& common,
               std::filesystem::path held_out, int64_t longest_answer, std::vector<int32_t> prompt);

  /// Trains to the end, unless that was done; goes on from a checkpoint where there is one.
  void train(const ComparedFiles& files) const;
  /// The held-out questions that the model answers exactly; nothing where none are asked. `model`:
  /// --checkpoint and --adapter.
  std::optional<int64_t> exact(const ComparedFiles& files,
                               const std::vector<std::string>& model) const;
  /// Folds the adapter into a model in files.merged(). Nothing where that cannot be: the reason.
  std::optional<std::string> merge(const ComparedFiles& files) const;

  /// One measurement of speed.
  MeasuredSpeed speed(const std::vector<std::string>& model) const;

  int64_t prompt_tokens() const { return static_cast<int64_t>(prompt_.size()); }

 private:
  std::string run(const std::vector<std::string>& words) const;

  const CompareOptions& options_;
  std::string checkpoint_;
  std::vector<std::string> where_;  // --precision and --device
  std::string program_;
  std::filesystem::path held_out_;
  int64_t longest_answer_;
  std::vector<int32_t> prompt_;
};

/// A run's measured speeds, kept so that a comparison that is gone on with need not measure again.
struct StoredSpeed {
  MeasuredSpeed speed;
  std::optional<MeasuredSpeed> merged;
  std::string merged_note;
};
void write_speed(const std::filesystem::path& path, const StoredSpeed& stored,
                 const CompareOptions& options);
/// Nothing where there is none, or one that was measured in another way.
std::optional<StoredSpeed> read_speed(const std::filesystem::path& path,
                                      const CompareOptions& options);

/// The median of each figure.
MeasuredSpeed median(const std::vector<MeasuredSpeed>& all);

/// Fills in what a run's metrics say: curves, time, tokens, memory, held-out loss.
void read_run_metrics(const std::filesystem::path& run_folder, ComparedRun& run);

}  // namespace falconer
