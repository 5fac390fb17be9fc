// A lock between processes on one machine: the kernel's, on a file, as huggingface_hub takes it.
#pragma once

#include <filesystem>
#include <functional>

namespace falconer::hub {

class FileLock {
 public:
  /// Waits until no other process holds it. `on_wait` is called once, where there is need to wait;
  /// `cancelled` ends the waiting with an Error. A file system that has no locks is gone without:
  /// writers of one file write the same bytes to the same places.
  FileLock(const std::filesystem::path& path, const std::function<void()>& on_wait,
           const std::function<bool()>& cancelled);
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

 private:
  int file_ = -1;
};

}  // namespace falconer::hub
