#include "train/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "train/run_status.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLockName = ".falconer-lock";

bool has_no_locks(int reason) {
  return reason == ENOLCK || reason == ENOSYS || reason == EOPNOTSUPP || reason == EINVAL;
}

int call_flock(int file, int operation) { return ::flock(file, operation); }

// Another user's lock may be one that can only be read.
int open_lock(const fs::path& path) {
  constexpr int kFlags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | kFlags, 0644);
  if (file >= 0 || errno != EACCES) return file;
  return ::open(path.c_str(), O_RDONLY | kFlags);
}

// Whether the name still stands for the file that was opened: who gives a lock up removes it.
bool stands_for(const fs::path& path, int file) {
  struct stat named {
  }, opened{};
  return ::lstat(path.c_str(), &named) == 0 && ::fstat(file, &opened) == 0 &&
         named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

// "process 12 on HOST", which the holder wrote.
std::string holder_of(const fs::path& path) {
  std::array<char, 200> text{};
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) return "another process";
  const ssize_t size = ::read(file, text.data(), text.size());
  ::close(file);
  const std::string said(text.data(), size > 0 ? static_cast<size_t>(size) : 0);
  return said.starts_with("process ") ? printable(said) : "another process";
}

[[noreturn]] void fail_held(const fs::path& folder, const std::string& holder) {
  fail("{}: {} trains in this folder; wait for its end, or choose another --out", folder.string(),
       holder);
}

// Where only status.json tells.
void refuse_running(const fs::path& folder) {
  const auto status = read_status(folder);
  if (status && seems_alive(*status, folder))
    fail_held(folder, fmt::format("process {} on {}", status->pid, printable(status->host)));
}

}  // namespace

RunLock::RunLock(const fs::path& folder) : RunLock(folder, call_flock) {}

RunLock::RunLock(const fs::path& folder, LockCall call)
    : folder_(folder), path_(folder / kLockName) {
  // Who only looks whether the lock is held has it for a moment.
  constexpr int kTries = 10;
  for (int tries = 0; !try_once(call); ++tries) {
    if (tries == kTries) fail_held(folder_, holder_of(path_));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// False: held by another, or given up by one between our two looks.
bool RunLock::try_once(LockCall call) {
  file_ = open_lock(path_);
  if (file_ < 0) fail("{}: cannot be written: {}", path_.string(), std::strerror(errno));
  const int reason = call(file_, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  if (reason == 0 && stands_for(path_, file_)) {
    const std::string who = fmt::format("process {} on {}", ::getpid(), host_name());
    // For a message alone: that it cannot be written is nothing.
    if (::ftruncate(file_, 0) != 0 || ::pwrite(file_, who.data(), who.size(), 0) < 0) return true;
    return true;
  }
  ::close(file_);
  file_ = -1;
  if (reason == 0 || reason == EWOULDBLOCK || reason == EINTR) return false;
  do_without(reason);
  return true;
}

void RunLock::do_without(int reason) const {
  if (!has_no_locks(reason))
    fail("{}: cannot be locked: {}", path_.string(), std::strerror(reason));
  refuse_running(folder_);
  log_warning(
      "{}: this file system has no locks: that another run trains here is known from status.json "
      "alone, and of another machine's run only by when it last wrote",
      folder_.string());
}

RunLock::~RunLock() {
  if (file_ < 0) return;
  if (stands_for(path_, file_)) ::unlink(path_.c_str());
  ::close(file_);
}

LockState lock_state(const fs::path& folder) {
  const fs::path path = folder / kLockName;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) return LockState::kFree;
  const int reason = ::flock(file, LOCK_SH | LOCK_NB) == 0 ? 0 : errno;
  ::close(file);
  if (reason == 0) return LockState::kFree;
  return has_no_locks(reason) ? LockState::kUnknown : LockState::kHeld;
}

void refuse_locked(const fs::path& folder) {
  const LockState state = lock_state(folder);
  if (state == LockState::kHeld) fail_held(folder, holder_of(folder / kLockName));
  if (state == LockState::kUnknown) refuse_running(folder);
}

}  // namespace falconer
