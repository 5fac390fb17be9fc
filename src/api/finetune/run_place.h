// Where a run lies: its folder and the lock on it, the earlier run that is there, the checkpoint that it
// goes on from.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "falconer/finetune.h"
#include "train/run_lock.h"

namespace falconer {

/// The right to a run's folder. While it lives no other run begins there, and an earlier run that is
/// replaced stays until the new one has made its first step.
class RunFolder {
 public:
  /// Takes the lock where the folder is there; looks only where `dry`. Errors: a run trains in it now,
  /// an earlier run that is neither to be gone on with nor replaced, an input inside of what
  /// --overwrite would remove or the run would write over, files there that no run wrote, no permission.
  /// Each of `ranks` but the first has a log there.
  RunFolder(const FinetuneOptions& options, bool dry, int ranks = 1);
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;
  /// Where the run did not begin what it wrote is removed, and what was moved aside put back.
  ~RunFolder();

  /// Makes the folder and takes its lock where it was not there; with --overwrite the earlier run in it
  /// is moved aside. Error: another run came first.
  void claim();
  /// The first step is done: the earlier run is removed.
  void begun();

 private:
  std::filesystem::path out_;
  bool overwrite_;
  void remove_what_was_written();

  bool replaced_ = false;  // an earlier run is aside
  bool made_ = false;      // the folder is this run's
  bool fresh_ = false;     // no run's files were in it, and this one has made no step yet
  std::optional<RunLock> lock_;
};

/// "; the earlier run is in ...", where a run that was to replace it was killed before its first step and
/// `out` thus looks as if nothing had been saved; else nothing.
std::string earlier_run_hint(const std::filesystem::path& out);

/// Error: `out` is the model's folder or lies in it.
void refuse_inside_model(const std::string& out, const std::string& checkpoint);

/// The newest checkpoint that can be read whole, or the one that --resume names; empty where the
/// run begins anew. Before that, unless `dry`, what a killed run left half-written is put in order;
/// damaged checkpoints are set aside. Error: --resume names an older one than the newest.
std::filesystem::path find_checkpoint(const FinetuneOptions& options, bool dry);

/// Where rows that do not fit in memory may lie before the folder is made: in the first folder above
/// it that is there. Empty where none can be written to.
std::filesystem::path scratch_folder(const std::filesystem::path& out);

}  // namespace falconer
