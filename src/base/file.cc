#include "base/file.h"

#include <fcntl.h>
#include <signal.h>
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
#include "base/process.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

std::string reason() { return std::strerror(errno); }

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
    fail("{}: cannot sync to disk: {}", path.string(), reason());
}

fs::path parent_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
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
    fail("{}: cannot be put in place: {}", path.string(), reason());
  sync_path(parent_of(path), O_RDONLY | O_DIRECTORY);
}

fs::path partial_name(const fs::path& path) {
  fs::path clean = path;
  if (!clean.has_filename()) clean = clean.parent_path();  // "out/final/" is "out/final"
  return parent_of(clean) / fmt::format(".{}.partial-{}", clean.filename().string(), unique_id());
}

}  // namespace

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  // O_NONBLOCK: a pipe is refused below instead of waited for.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) fail("{}: cannot be opened: {}", path.string(), reason());
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) fail("{}: cannot be read: {}", path.string(), reason());
  if (!S_ISREG(info.st_mode))
    fail("{}: expected a file, found a folder or a device", path.string());
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (address == MAP_FAILED) fail("{}: cannot be mapped into memory: {}", path.string(), reason());
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

AtomicFile::AtomicFile(const fs::path& path) : path_(path), partial_(partial_name(path)) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    fail("{}: is a folder, a file is to be written there", path.string());
  file_ = ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file_ < 0) fail("{}: cannot be written: {}", path.string(), reason());
}

AtomicFile::~AtomicFile() {
  if (partial_.empty()) return;
  if (file_ >= 0) ::close(file_);
  ::unlink(partial_.c_str());
}

void AtomicFile::write(const void* data, size_t size) {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(file_, from, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("{}: cannot be written: {}", path_.string(), reason());
    from += written;
    size -= static_cast<size_t>(written);
  }
}

void AtomicFile::write_at(uint64_t offset, const void* data, size_t size) {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::pwrite(file_, from, size, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("{}: cannot be written: {}", path_.string(), reason());
    from += written;
    offset += static_cast<uint64_t>(written);
    size -= static_cast<size_t>(written);
  }
}

void AtomicFile::seal() {
  if (file_ < 0) return;
  if (::fsync(file_) != 0) fail("{}: cannot sync to disk: {}", path_.string(), reason());
  if (::close(std::exchange(file_, -1)) != 0)
    fail("{}: cannot be written: {}", path_.string(), reason());
}

void AtomicFile::commit() {
  seal();
  put_in_place(partial_, path_);
  partial_.clear();
}

void write_file(const fs::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

PendingFile::PendingFile(const fs::path& path) : path_(path), partial_(partial_name(path)) {}

PendingFile::~PendingFile() {
  if (!partial_.empty()) ::unlink(partial_.c_str());
}

void PendingFile::commit() {
  put_in_place(partial_, path_);
  partial_.clear();
}

AtomicFolder::AtomicFolder(const fs::path& path) : path_(path), partial_(partial_name(path)) {
  if (!path_.has_filename()) path_ = path_.parent_path();
  std::error_code ignored;
  fs::remove_all(partial_, ignored);
  make_folder(partial_);
}

AtomicFolder::~AtomicFolder() {
  if (done_) return;
  std::error_code ignored;
  fs::remove_all(partial_, ignored);
}

void AtomicFolder::commit() {
  for (const auto& entry : fs::recursive_directory_iterator(partial_))
    sync_path(entry.path(), entry.is_directory() ? O_RDONLY | O_DIRECTORY : O_RDONLY);
  sync_path(partial_, O_RDONLY | O_DIRECTORY);
  if (exchange(partial_, path_)) {  // what stood there now has the partial name
    done_ = true;
    sync_path(parent_of(path_), O_RDONLY | O_DIRECTORY);
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
    fail("{}: cannot be replaced: {}", path_.string(), reason());
  if (::rename(partial_.c_str(), path_.c_str()) != 0) {
    const std::string why = reason();
    if (replaced) ::rename(aside.c_str(), path_.c_str());
    fail("{}: cannot be put in place: {}", path_.string(), why);
  }
  done_ = true;
  sync_path(parent_of(path_), O_RDONLY | O_DIRECTORY);
  if (replaced) fs::remove_all(aside, error);
}

void remove_folder(const fs::path& path) {
  const fs::path aside = partial_name(path);
  std::error_code ignored;
  fs::remove_all(aside, ignored);
  if (::rename(path.c_str(), aside.c_str()) == 0) fs::remove_all(aside, ignored);
}

// Names are ".NAME.partial-PID", and ".NAME.partial-PID.old" for what was being replaced.
void clear_partials(const fs::path& folder) {
  constexpr std::string_view kMark = ".partial-", kOld = ".old";
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) found.push_back(entry.path());
  for (const fs::path& path : found) {
    const std::string name = path.filename().string();
    const size_t mark = name.rfind(kMark);
    if (!name.starts_with('.') || mark == std::string::npos || mark < 2) continue;
    const pid_t pid = static_cast<pid_t>(std::atol(name.c_str() + mark + kMark.size()));
    if (pid <= 0 || ::kill(pid, 0) == 0 || errno != ESRCH) continue;
    const fs::path whole = folder / name.substr(1, mark - 1);
    if (name.ends_with(kOld) && !fs::exists(whole, error))
      ::rename(path.c_str(), whole.c_str());
    else
      fs::remove_all(path, error);
  }
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail("{}: the folder cannot be made: {}", path.string(), error.message());
  if (!fs::is_directory(path))
    fail("{}: expected a folder, found a file; give another path", path.string());
}

}  // namespace falconer
