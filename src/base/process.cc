#include "base/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/error.h"

extern char** environ;

namespace falconer {
namespace {

struct FileActions {
  posix_spawn_file_actions_t actions;
  FileActions() { ::posix_spawn_file_actions_init(&actions); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions); }
};

std::string read_to_end(int pipe) {
  std::string all;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t n = ::read(pipe, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return all;
    all.append(buffer.data(), static_cast<size_t>(n));
  }
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) fail("how a process ended cannot be told: {}", std::strerror(errno));
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

ProcessResult run_process(const std::vector<std::string>& words, const std::filesystem::path& log) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    fail("{}: cannot be started: {}", words.front(), std::strerror(errno));
  FileActions to;
  ::posix_spawn_file_actions_adddup2(&to.actions, ends[1], STDOUT_FILENO);
  if (!log.empty())
    ::posix_spawn_file_actions_addopen(&to.actions, STDERR_FILENO, log.c_str(),
                                       O_WRONLY | O_CREAT | O_APPEND, 0644);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int error =
      ::posix_spawn(&child, words.front().c_str(), &to.actions, nullptr, arguments.data(), environ);
  ::close(ends[1]);
  if (error != 0) {
    ::close(ends[0]);
    fail("{}: cannot be started: {}", words.front(), std::strerror(error));
  }
  ProcessResult result;
  result.output = read_to_end(ends[0]);
  ::close(ends[0]);
  result.exit_code = wait_for(child);
  return result;
}

std::string unique_id() {
  static std::atomic<int64_t> number = 0;
  return fmt::format("{}-{}", ::getpid(), ++number);
}

std::string this_program() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) fail("/proc/self/exe: {}", error.message());
  return path.string();
}

}  // namespace falconer
