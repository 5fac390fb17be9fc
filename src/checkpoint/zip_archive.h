// A zip file in memory, read through libzip; entries that are stored as they are can be used in
// place.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace falconer {

class ZipArchive {
 public:
  /// Error: not a zip file, a broken one, or one with two entries of the same name.
  explicit ZipArchive(std::shared_ptr<const MappedFile> file);
  ~ZipArchive();
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  std::vector<std::string> names() const;

  /// The content of an entry: its bytes in the map where they are stored uncompressed and at a
  /// multiple of `alignment`, else a copy, which is kept in `owner`. Error: there is no such entry,
  /// a copy would be larger than `limit` bytes, it is encrypted, or its checksum is wrong (which is
  /// not looked at in place: that would read all of a large file).
  std::span<const std::byte> read(const std::string& name, size_t alignment, size_t limit,
                                  std::shared_ptr<const void>& owner) const;

 private:
  std::optional<std::span<const std::byte>> in_place(const std::string& name, uint64_t size) const;

  std::span<const std::byte> unpack(uint64_t index, uint64_t size, const std::string& name,
                                    std::shared_ptr<const void>& owner) const;

  std::shared_ptr<const MappedFile> file_;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace falconer
