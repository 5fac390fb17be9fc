// A file that is still coming: what has come is on disk at once, so that a process that dies at any
// byte has lost nothing, and its hash is carried along.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "hub/content_hash.h"

namespace falconer::hub {

class PartialFile {
 public:
  /// Opens `path`, or makes it. What it holds from an earlier time is read for its hash, and counted
  /// by `on_read`, which may throw. `etag` is the hash that all of it should have, of `size` bytes.
  PartialFile(const std::filesystem::path& path, const std::string& etag, uint64_t size,
              const std::function<void(size_t bytes)>& on_read);
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile();

  uint64_t have() const { return have_; }
  uint64_t size() const { return size_; }
  /// Errors: the disk is full, or cannot be written to; more bytes than `size`.
  void append(std::string_view piece);
  void restart();
  /// Removes it.
  void discard();
  /// Of a file that is whole: moves it to `target` where its hash is right, and returns true.
  bool finish(const std::filesystem::path& target);
  /// After finish(): the hash that was found, and what it is called; both empty where `etag` is no
  /// hash, so that the size alone could be compared.
  const std::string& found() const { return found_; }
  const char* hash_name() const { return hash_ ? hash_->name() : ""; }

 private:
  void read_back(const std::function<void(size_t)>& on_read);

  std::filesystem::path path_;
  std::string etag_, found_;
  uint64_t size_ = 0, have_ = 0;
  std::optional<ContentHash> hash_;
  int file_ = -1;
};

}  // namespace falconer::hub
