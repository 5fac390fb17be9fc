// The two hashes by which the hub names contents: SHA-256 for large files (Git LFS), and git's own
// hash of a blob, a SHA-1 that begins with the size, for the others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"

namespace falconer::hub {

class ContentHash {
 public:
  /// The hash that `etag` is of, by its length; nothing where it is neither.
  static std::optional<ContentHash> like(std::string_view etag, uint64_t size);

  void update(const void* data, size_t size) { digest_.update(data, size); }
  /// The hash of all, once.
  std::string finish() { return digest_.finish(); }
  /// "SHA-256" or "git's SHA-1"
  const char* name() const { return name_; }

 private:
  ContentHash(const char* name, Digest digest) : name_(name), digest_(std::move(digest)) {}

  const char* name_;
  Digest digest_;
};

}  // namespace falconer::hub
