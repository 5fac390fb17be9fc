// status.json of a run's folder: who trains in it, and how that ended.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace falconer {

struct RunStatus {
  std::string state;    // "running", "finished", "stopped" (and saved) or "failed"
  std::string message;  // of a failure
  std::string method, started;
  int64_t total_steps = 0;
  // The process that trains: on this machine it can be asked whether it still lives.
  std::string host;
  int64_t pid = 0;
  std::string process_start;
};

/// The status of a folder where this process trains: "running" until finish().
class RunStatusFile {
 public:
  RunStatusFile(const std::filesystem::path& folder, const std::string& method,
                int64_t total_steps);
  RunStatusFile(const RunStatusFile&) = delete;
  RunStatusFile& operator=(const RunStatusFile&) = delete;
  void finish(const std::string& state);
  /// "failed". Where not even that can be written, the run's own error is what counts.
  void fail(const std::string& message);

 private:
  std::filesystem::path folder_;
  RunStatus status_;
};

/// Nothing where there is no status.json, or none that can be read.
std::optional<RunStatus> read_status(const std::filesystem::path& folder);

/// Whether the run that wrote "running" trains still: the folder's lock says so (run_lock.h), and where
/// the file system has none, seems_alive().
bool is_alive(const RunStatus& status, const std::filesystem::path& folder);

/// What can be told without a lock: whether the process is there. Of another machine's process only the
/// age of the metrics is known: what was written to in the last ten minutes counts as alive.
bool seems_alive(const RunStatus& status, const std::filesystem::path& folder);

}  // namespace falconer
