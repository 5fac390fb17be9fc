#include "hub/partial_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace falconer::hub {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void fail_written(const fs::path& path, uint64_t missing) {
  const int error = errno;
  if (error == ENOSPC || error == EDQUOT || error == EFBIG)
    fail(
        "{}: no room is left ({}), and {} bytes of this file are still to come. Make room, and the "
        "same command goes on from what has come; or name a folder on another disk with HF_HOME or "
        "--local-dir",
        path.string(), std::strerror(error), missing);
  fail(
      "{}: cannot be written: {}; see that the folder may be written to, or name another with "
      "HF_HOME or --local-dir",
      path.string(), std::strerror(error));
}

}  // namespace

PartialFile::PartialFile(const fs::path& path, const std::string& etag, uint64_t size,
                         const std::function<void(size_t)>& on_read)
    : path_(path), etag_(etag), size_(size) {
  make_folder(path.parent_path());
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (file_ < 0) fail_written(path_, size_);
  struct stat info {};
  if (::fstat(file_, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(file_);
    fail("{}: expected a file, found something else; remove it", path.string());
  }
  try {
    have_ = static_cast<uint64_t>(info.st_size);
    if (have_ > size_)
      restart();
    else
      read_back(on_read);
  } catch (...) {
    ::close(file_);
    throw;
  }
}

PartialFile::~PartialFile() { ::close(file_); }

void PartialFile::read_back(const std::function<void(size_t)>& on_read) {
  hash_ = ContentHash::like(etag_, size_);
  std::vector<char> block(1 << 20);
  for (uint64_t at = 0; at < have_;) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(block.size(), have_ - at));
    const ssize_t got = ::pread(file_, block.data(), wanted, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail("{}: cannot be read: {}; remove it", path_.string(), std::strerror(errno));
    if (hash_) hash_->update(block.data(), static_cast<size_t>(got));
    at += static_cast<uint64_t>(got);
    if (on_read) on_read(static_cast<size_t>(got));
  }
}

void PartialFile::append(std::string_view piece) {
  if (piece.size() > size_ - have_)
    fail("{}: more bytes came than the {} that the hub announced", path_.string(), size_);
  while (!piece.empty()) {
    // At its own place and not at the end: where two processes write the same file after all, they
    // write the same bytes to the same places.
    const ssize_t written = ::pwrite(file_, piece.data(), piece.size(), static_cast<off_t>(have_));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_written(path_, size_ - have_);
    if (hash_) hash_->update(piece.data(), static_cast<size_t>(written));
    have_ += static_cast<uint64_t>(written);
    piece.remove_prefix(static_cast<size_t>(written));
  }
}

void PartialFile::restart() {
  if (::ftruncate(file_, 0) != 0) fail_written(path_, size_);
  have_ = 0;
  hash_ = ContentHash::like(etag_, size_);
}

void PartialFile::discard() {
  std::error_code ignored;
  fs::remove(path_, ignored);
}

bool PartialFile::finish(const fs::path& target) {
  FALCONER_CHECK(have_ == size_);
  if (hash_) {
    found_ = hash_->finish();
    if (found_ != etag_) return false;
  }
  if (::fsync(file_) != 0) fail_written(path_, 0);
  make_folder(target.parent_path());
  std::error_code error;
  fs::rename(path_, target, error);
  // On a file system without locks another process may have moved the same file there already.
  if (error && !fs::is_regular_file(target))
    fail("{}: cannot be put in place: {}", target.string(), error.message());
  return true;
}

}  // namespace falconer::hub
