// A file without a name, for what does not fit in memory: nothing of it is left when it is closed,
// whatever ends the program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace falconer {

class ScratchFile {
 public:
  /// On the disk that holds `folder`, which must exist. Error: it cannot be written there.
  explicit ScratchFile(const std::filesystem::path& folder);
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile();

  /// Errors: no room, or what else the system says.
  void append(const void* data, size_t bytes);
  uint64_t size() const { return size_; }
  /// Exactly `bytes` from `offset`; safe from many threads.
  void read(uint64_t offset, void* data, size_t bytes) const;

 private:
  std::filesystem::path folder_;
  int file_ = -1;
  uint64_t size_ = 0;
};

}  // namespace falconer
