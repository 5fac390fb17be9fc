// The lock of a run's folder: of all that begin in it at one moment one trains.
#pragma once

#include <filesystem>
#include <string>

namespace falconer {

/// Held for as long as the object lives; the system takes it back when the process ends, however that
/// happens, so that it says more than status.json. It is a file in the folder that is there only
/// while a run is, or after one was killed.
class RunLock {
 public:
  /// flock(2), or what stands for it in a test.
  using LockCall = int (*)(int file, int operation);

  /// The folder is there. Errors: another run has it (who, as far as that is known), it cannot be
  /// written to. Where the file system has no locks, status.json is all that tells: that is said.
  explicit RunLock(const std::filesystem::path& folder);
  RunLock(const std::filesystem::path& folder, LockCall call);
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;
  ~RunLock();

 private:
  bool try_once(LockCall call);
  void do_without(int reason) const;

  std::filesystem::path folder_, path_;
  int file_ = -1;
};

enum class LockState { kFree, kHeld, kUnknown };  // kUnknown: the file system has none

/// Looks only, and is in nobody's way for longer than a moment.
LockState lock_state(const std::filesystem::path& folder);

/// Error: a run trains in the folder now.
void refuse_locked(const std::filesystem::path& folder);

}  // namespace falconer
