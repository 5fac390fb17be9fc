#include "cli/relay.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/quiet_thread.h"
#include "base/utf8.h"

namespace falconer::cli {
namespace {

/// Bytes at the end of `text` that begin a character which breaks off.
size_t begun_character(std::string_view text) {
  for (size_t bytes = std::min<size_t>(3, text.size()); bytes > 0; --bytes)
    if (incomplete_utf8(text.substr(text.size() - bytes))) return bytes;
  return 0;
}

}  // namespace

Relay::Relay(std::function<void(std::string_view)> take) : take_(std::move(take)) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("a pipe cannot be made: {}", std::strerror(errno));
  own_end_ = ends[0];
  child_end_ = ends[1];
}

Relay::~Relay() {
  if (child_end_ >= 0) ::close(child_end_);
  if (thread_.joinable()) thread_.join();
  ::close(own_end_);
}

void Relay::begin() {
  ::close(std::exchange(child_end_, -1));
  thread_ = quiet_thread([this] { run(); });
}

void Relay::finish() {
  thread_.join();
  if (error_) std::rethrow_exception(error_);
}

bool Relay::read_some(std::string& text) const {
  std::array<char, 1 << 16> room;
  ssize_t count = 0;
  do count = ::read(own_end_, room.data(), room.size());
  while (count < 0 && errno == EINTR);
  if (count > 0) text.append(room.data(), static_cast<size_t>(count));
  return count > 0;
}

void Relay::run() {
  std::string text;
  for (bool more = true; more;) {
    more = read_some(text);
    const size_t whole = text.size() - (more ? begun_character(text) : 0);
    try {
      if (!failed_ && whole > 0) take_(std::string_view(text).substr(0, whole));
    } catch (...) {
      error_ = std::current_exception();
      failed_ = true;
    }
    text.erase(0, whole);
  }
}

}  // namespace falconer::cli
