#include "base/line_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/nearest.h"
#include "base/system.h"

namespace falconer {
namespace {

constexpr size_t kLongestLine = size_t{256} << 20, kStep = size_t{1} << 16;

/// Waits until somebody writes to a pipe that was opened without waiting; a byte that came with that is
/// appended to `first`.
void await_writer(int file, const std::string& name, std::string& first) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (;;) {
    char byte = 0;
    const ssize_t count = ::read(file, &byte, 1);
    if (count > 0) first.push_back(byte);
    if (count > 0 || (count < 0 && errno != EINTR))
      return;  // EAGAIN: it is open, and nothing came yet
    if (interrupted()) throw Error("interrupted", interrupt_exit_code());
    if (std::chrono::steady_clock::now() > end)
      fail("{}: is a pipe that nobody writes to; expected rows, from a file or a program", name);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace

LineReader::LineReader(const std::filesystem::path& path) : name_(path.string()) {
  if (name_ == "-") {
    name_ = "standard input";
    file_ = STDIN_FILENO;
    return;
  }
  file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file_ < 0 && errno == ENOENT)
    fail("{}: {}", name_, not_found_text(path, "a file with rows of JSON"));
  if (file_ < 0) fail("{}: cannot be opened: {}; expected rows of JSON", name_, system_reason());
  owned_ = true;
  struct stat info {};
  if (::fstat(file_, &info) == 0 && S_ISDIR(info.st_mode)) {
    ::close(file_);
    fail("{}: is a folder; expected a file with rows of JSON", name_);
  }
  try {
    if (S_ISFIFO(info.st_mode)) await_writer(file_, name_, buffer_);
  } catch (...) {
    ::close(file_);
    throw;
  }
  ::fcntl(file_, F_SETFL, ::fcntl(file_, F_GETFL) & ~O_NONBLOCK);
}

LineReader::~LineReader() {
  if (owned_) ::close(file_);
}

bool LineReader::fill() {
  if (ended_) return false;
  buffer_.erase(0, at_);
  at_ = 0;
  const size_t before = buffer_.size();
  buffer_.resize(before + kStep);
  ssize_t count = 0;
  do count = ::read(file_, buffer_.data() + before, kStep);
  while (count < 0 && errno == EINTR && !interrupted());
  buffer_.resize(before + static_cast<size_t>(std::max<ssize_t>(count, 0)));
  if (count < 0 && interrupted()) throw Error("interrupted", interrupt_exit_code());
  if (count < 0) fail("{}: cannot be read: {}", name_, system_reason());
  ended_ = count == 0;
  return !ended_;
}

bool LineReader::next(std::string& line) {
  size_t searched = at_;
  for (;;) {
    const size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      line.assign(buffer_, at_, end - at_);
      at_ = end + 1;
      return true;
    }
    if (buffer_.size() - at_ > kLongestLine)
      fail("{}: a line has more than {} MB; expected rows of JSON, one a line", name_,
           kLongestLine >> 20);
    searched = buffer_.size() - at_;  // as fill() moves what is left to the beginning
    if (!fill()) break;
  }
  if (at_ == buffer_.size()) return false;
  line.assign(buffer_, at_);
  at_ = buffer_.size();
  return true;
}

}  // namespace falconer
