#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/output.h"
#include "base/partial.h"
#include "base/path.h"
#include "base/streams.h"
#include "base/system.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

// Closes on every way out.
struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

void sync_path(const fs::path& path, int flags) {
  const Descriptor file{::open(path.c_str(), flags | O_CLOEXEC)};
  if (file.fd < 0 || ::fsync(file.fd) != 0)
    fail("{}: cannot sync to disk: {}", path.string(), system_reason());
}

// Swaps two names in one step, so that neither is missing even after a crash in between.
bool exchange(const fs::path& a, const fs::path& b) {
#ifdef RENAME_EXCHANGE
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
#else
  return static_cast<void>(a), static_cast<void>(b), false;
#endif
}

// Over what stands at `path`, in one step.
void put_in_place(const fs::path& partial, const fs::path& path) {
  if (::rename(partial.c_str(), path.c_str()) != 0)
    fail("{}: cannot be put in place: {}", path.string(), system_reason());
  sync_path(folder_of(path), O_RDONLY | O_DIRECTORY);
}

}  // namespace

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  // O_NONBLOCK: a pipe is refused below instead of waited for.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) fail("{}: cannot be opened: {}", path.string(), system_reason());
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) fail("{}: cannot be read: {}", path.string(), system_reason());
  if (!S_ISREG(info.st_mode))
    fail("{}: expected a file, found a folder or a device", path.string());
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (address == MAP_FAILED)
    fail("{}: cannot be mapped into memory: {}", path.string(), system_reason());
  data_ = static_cast<std::byte*>(address);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

namespace {

// For the pages that lie whole in `bytes`.
void advise_pages(std::span<const std::byte> bytes, int advice) {
  const uintptr_t page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t start = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t begin = (start + page - 1) / page * page;
  const uintptr_t end = (start + bytes.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

}  // namespace

void forget_pages(std::span<const std::byte> bytes) { advise_pages(bytes, MADV_DONTNEED); }
void read_ahead(std::span<const std::byte> bytes) { advise_pages(bytes, MADV_WILLNEED); }

std::string read_text_file(const fs::path& path, size_t limit) {
  const MappedFile file(path);
  if (file.size() > limit)
    fail("{}: {} bytes, at most {} are expected in such a file", path.string(), file.size(), limit);
  return {reinterpret_cast<const char*>(file.data()), file.size()};
}

namespace {

void sync_file(int file, const fs::path& path) {
  if (::fsync(file) != 0) fail("{}: cannot sync to disk: {}", path.string(), system_reason());
}

int open_through(const OutputPlace& place) {
  if (place.descriptor >= 0) return ::fcntl(place.descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  return ::open(place.path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
}

[[noreturn]] void fail_written(const fs::path& path) {
  const int error = errno;
  const std::string text = fmt::format("{}: cannot be written: {}", path.string(), system_reason());
  if (error == EPIPE) throw OutputError(text, kExitReaderGone);
  throw Error(text, kExitFailure);
}

/// What may read the file that is replaced, no other may read the new one.
void keep_permissions(const fs::path& old, int file) {
  struct stat info {};
  if (::stat(old.c_str(), &info) == 0)
    static_cast<void>(::fchmod(file, info.st_mode & (S_IRWXU | S_IRWXG | S_IRWXO)));
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& path) {
  const OutputPlace place = place_of(path);
  path_ = place.path;
  std::error_code ignored;
  if (!place.through && fs::is_directory(path_, ignored))
    fail("{}: is a folder, a file is to be written there", path.string());
  if (place.through) {
    file_ = open_through(place);
  } else if (is_partial_name(path_)) {  // another's care, as PendingFile's
    partial_ = path_;
    file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  } else {
    const Partial begun = begin_partial_file(path_);
    partial_ = begun.name;
    file_ = begun.fd;
    keep_permissions(path_, file_);
  }
  if (file_ < 0) fail("{}: cannot be written: {}", path.string(), system_reason());
}

AtomicFile::~AtomicFile() {
  if (!partial_.empty()) ::unlink(partial_.c_str());
  if (file_ >= 0) ::close(file_);
}

void AtomicFile::write(const void* data, size_t size) {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(file_, from, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_written(path_);
    from += written;
    size -= static_cast<size_t>(written);
  }
}

void AtomicFile::write_at(uint64_t offset, const void* data, size_t size) {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::pwrite(file_, from, size, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_written(path_);
    from += written;
    offset += static_cast<uint64_t>(written);
    size -= static_cast<size_t>(written);
  }
}

void AtomicFile::seal() {
  if (file_ < 0) return;
  if (!partial_.empty()) sync_file(file_, path_);
  if (::close(std::exchange(file_, -1)) != 0)
    fail("{}: cannot be written: {}", path_.string(), system_reason());
}

void AtomicFile::commit() {
  // It is held until it is in place: nobody takes it for abandoned.
  if (file_ >= 0 && !partial_.empty()) sync_file(file_, path_);
  if (!partial_.empty() && partial_ != path_) put_in_place(partial_, path_);
  partial_.clear();
  if (file_ >= 0 && ::close(std::exchange(file_, -1)) != 0)
    fail("{}: cannot be written: {}", path_.string(), system_reason());
}

void write_file(const fs::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

PendingFile::PendingFile(const fs::path& path) {
  const OutputPlace place = place_of(path);
  path_ = place.path;
  if (place.through)
    fail("{}: is no file, and what is written there is read back; name a file", path.string());
  const Partial begun = begin_partial_file(path_);
  keep_permissions(path_, begun.fd);
  partial_ = hold_on(begun);
}

PendingFile::~PendingFile() {
  if (partial_.empty()) return;
  ::unlink(partial_.c_str());
  let_go(partial_);
}

void PendingFile::commit() {
  put_in_place(partial_, path_);
  let_go(partial_);
  partial_.clear();
}

AtomicFolder::AtomicFolder(const fs::path& path) : path_(place_of(path).path) {
  std::error_code ignored;
  if (fs::exists(path_, ignored) && !fs::is_directory(path_, ignored))
    fail("{}: is no folder, and one is to be written there; give another path", path.string());
  make_folder(folder_of(path_));
  partial_ = hold_on(begin_partial_folder(path_));
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!done_) fs::remove_all(partial_, ignored);
  let_go(partial_);
}

void AtomicFolder::commit() {
  for (const auto& entry : fs::recursive_directory_iterator(partial_))
    sync_path(entry.path(), entry.is_directory() ? O_RDONLY | O_DIRECTORY : O_RDONLY);
  sync_path(partial_, O_RDONLY | O_DIRECTORY);
  if (exchange(partial_, path_)) {  // what stood there now has the partial name
    done_ = true;
    sync_path(folder_of(path_), O_RDONLY | O_DIRECTORY);
    std::error_code ignored;
    fs::remove_all(partial_, ignored);
    return;
  }
  // Nothing stood there, or the file system cannot exchange: rename() alone cannot replace a folder
  // that has content, so the old one is moved aside and removed last.
  const fs::path aside = partial_.string() + ".old";
  std::error_code error;
  fs::remove_all(aside, error);
  const bool replaced = fs::exists(path_, error);
  if (replaced && ::rename(path_.c_str(), aside.c_str()) != 0)
    fail("{}: cannot be replaced: {}", path_.string(), system_reason());
  if (::rename(partial_.c_str(), path_.c_str()) != 0) {
    const std::string why = system_reason();
    if (replaced) ::rename(aside.c_str(), path_.c_str());
    fail("{}: cannot be put in place: {}", path_.string(), why);
  }
  done_ = true;
  sync_path(folder_of(path_), O_RDONLY | O_DIRECTORY);
  if (replaced) fs::remove_all(aside, error);
}

void remove_folder(const fs::path& path) {
  const fs::path aside = partial_name(path);
  std::error_code ignored;
  fs::remove_all(aside, ignored);
  if (::rename(path.c_str(), aside.c_str()) == 0) fs::remove_all(aside, ignored);
}

void make_folder(const fs::path& path) {
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_directory(path, error))
    fail("{}: is a file, and a folder is expected there; give another path", path.string());
  fs::create_directories(path, error);
  if (error) fail("{}: the folder cannot be made: {}", path.string(), error.message());
}

}  // namespace falconer
