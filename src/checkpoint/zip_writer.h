// Writing zip files whose entries are stored as they are, at multiples of 64 bytes, so that a reader
// can map them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace falconer {

/// Why not libzip, which reads them: it pulls content out of a source when the archive is closed,
/// where here tensors come one by one and are gone; it has no say over where an entry begins; and
/// what it writes is renamed into place without being synced.
class ZipWriter {
 public:
  /// `most32`: sizes and offsets from here on take the 64-bit fields of the format. Tests lower it.
  explicit ZipWriter(const std::filesystem::path& path, uint64_t most32 = 0xFFFFFFFF);

  /// Begins an entry; `size` bytes follow through write(), then end().
  void begin(const std::string& name, uint64_t size);
  void write(const void* data, size_t size);
  void end();
  /// All three.
  void add(const std::string& name, std::string_view content);
  /// The directory behind the entries; syncs, puts in place.
  void commit();

 private:
  struct Entry {
    std::string name;
    uint64_t offset = 0, size = 0;
    uint32_t crc = 0;
  };
  bool large(uint64_t number) const { return number >= most32_; }
  void emit(std::string_view bytes);
  std::string local_header(const Entry& entry) const;
  std::string directory_entry(const Entry& entry) const;
  void write_end(uint64_t begin);

  AtomicFile file_;
  uint64_t most32_, at_ = 0, written_ = 0;  // written_: bytes of the open entry
  std::vector<Entry> entries_;
  bool open_ = false;
};

}  // namespace falconer
