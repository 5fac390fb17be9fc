// Files: read-only maps, whole-file reads, and writes that are either complete or not there at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace falconer {

/// A read-only memory map of a whole file. Pages are read when first touched.
/// Errors: the file is missing, is not a regular file, or cannot be mapped.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Pages that lie whole in `bytes` of a mapped file are no longer resident. Their content stays: it
/// is read again when it is touched.
void forget_pages(std::span<const std::byte> bytes);
/// The system begins to read these bytes of a mapped file.
void read_ahead(std::span<const std::byte> bytes);

/// The whole file as text. Errors: missing, unreadable, a folder, or larger than `limit` bytes.
std::string read_text_file(const std::filesystem::path& path, size_t limit = size_t{1} << 31);

/// Writes a file next to its final place and renames it over it on commit(), after syncing: readers
/// see the old file or the whole new one. Without commit() the partial file is removed. Errors name
/// the path and the system's reason (no space, read-only, a folder in the way).
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(const void* data, size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Overwrites bytes written before (a header whose values were not known yet).
  void write_at(uint64_t offset, const void* data, size_t size);
  /// Syncs and closes what was written, which has come to its end; it is not in place yet.
  void seal();
  void commit();

 private:
  std::filesystem::path path_, partial_;
  int file_ = -1;
};

/// AtomicFile in one call.
void write_file(const std::filesystem::path& path, std::string_view content);

/// Makes a folder appear whole: fill folder() and commit(). The folder is renamed to `path` after
/// everything in it was synced; what stood at `path` before is replaced only then. Without commit()
/// it is removed.
class AtomicFolder {
 public:
  explicit AtomicFolder(const std::filesystem::path& path);
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;
  ~AtomicFolder();

  const std::filesystem::path& folder() const { return partial_; }
  void commit();

 private:
  std::filesystem::path path_, partial_;
  bool done_ = false;
};

/// Removes a folder so that it is never seen in part under its name. What cannot be removed stays
/// under the name of a partial folder.
void remove_folder(const std::filesystem::path& path);

/// Removes what processes that no longer run left half-written in `folder`, and puts back what one of
/// them had moved aside to replace it.
void clear_partials(const std::filesystem::path& folder);

/// A name beside `path` for something that is written and looked at before it is put in place.
/// Without commit() what has that name is removed.
class PendingFile {
 public:
  explicit PendingFile(const std::filesystem::path& path);
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  ~PendingFile();

  const std::filesystem::path& partial() const { return partial_; }
  void commit();

 private:
  std::filesystem::path path_, partial_;
};

/// Creates `path` and its parents. Errors: a file is in the way, no permission.
void make_folder(const std::filesystem::path& path);

}  // namespace falconer
