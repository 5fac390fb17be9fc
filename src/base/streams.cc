#include "base/streams.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>

#include "base/one_of_many.h"
#include "base/terminal.h"

namespace falconer {
namespace {

[[noreturn]] void fail_stdout(int error) {
  const char* why = error == 0 ? "an earlier write failed" : std::strerror(error);
  throw OutputError(fmt::format("the results cannot be written to standard output: {}", why),
                    error == EPIPE ? kExitReaderGone : 1);
}

}  // namespace

void prepare_streams() {
  // Against the direction of the stream, so that its use fails as it would have. The lowest number
  // that is free is what open() gives, and all below `stream` are taken by then.
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) < 0 && errno == EBADF &&
        ::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
      throw Error(fmt::format("/dev/null: cannot be opened: {}", std::strerror(errno)));
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);
}

void print_result(std::string_view text) {
  if (!speaks()) return;
  const std::string shown = stdout_is_terminal() ? on_terminal(text) : with_styles(text);
  // By way of stdio, which std::cout shares: what was printed before comes before.
  errno = 0;
  if (std::fwrite(shown.data(), 1, shown.size(), stdout) != shown.size() ||
      std::fflush(stdout) != 0)
    fail_stdout(errno);
}

void finish_results() {
  errno = 0;
  std::cout.flush();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) fail_stdout(errno);
}

void print_message(std::string_view text) {
  // Styles are made for stdout, and are none of this one's where it does not take them.
  const std::string shown = takes_colours(STDERR_FILENO) ? on_terminal(text) : visible(text);
  std::fwrite(shown.data(), 1, shown.size(), stderr);
  std::fflush(stderr);
}

}  // namespace falconer
