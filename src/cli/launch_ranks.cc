// --ranks: mpirun as a child, which is told of Ctrl-C in words of its own.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/process.h"
#include "base/streams.h"
#include "base/system.h"
#include "base/terminal.h"
#include "cli/rank_flags.h"

namespace falconer::cli {
namespace {

std::string find_mpirun() {
  const char* const path = std::getenv("PATH");
  const std::string folders = path == nullptr ? "" : path;
  for (const char* name : {"mpirun", "mpiexec"})
    for (size_t at = 0; at <= folders.size();) {
      const size_t end = std::min(folders.find(':', at), folders.size());
      const std::string file = folders.substr(at, end - at) + "/" + name;
      if (end > at && ::access(file.c_str(), X_OK) == 0) return file;
      at = end + 1;
    }
  fail(
      "--ranks starts processes by mpirun, which is not there; install it with apt-get install "
      "openmpi-bin");
}

// Cores are divided by the ranks themselves. Which flags there are is Open MPI's own; -n is everybody's.
std::vector<std::string> launcher_words(int ranks) {
  const std::string mpirun = find_mpirun(), count = std::to_string(ranks);
  const std::string version = run_process({mpirun, "--version"}, "/dev/null").output;
  if (version.find("Open MPI") == std::string::npos &&
      version.find("open-mpi") == std::string::npos)
    return {mpirun, "-n", count};
  return {mpirun, "-q", "--host", "localhost:" + count, "--oversubscribe", "--bind-to",
          "none", "-n", count};
}

// Runs as a group of its own, so that Ctrl-C reaches this process alone, and ends with it.
[[noreturn]] void become(std::vector<std::string> words, const sigset_t& signals) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::sigprocmask(SIG_SETMASK, &signals, nullptr);
  if (::geteuid() == 0)
    for (const char* allowed : {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"})
      ::setenv(allowed, "1", 1);
  // Another group than the terminal's would be stopped when it reads there.
  if (::isatty(STDIN_FILENO) != 0)
    if (const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC); nothing >= 0)
      ::dup2(nothing, STDIN_FILENO);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv(arguments.front(), arguments.data());
  ::_exit(127);
}

/// mpirun and what it started, in the order of the ranks.
class Launched {
 public:
  Launched(pid_t mpirun, std::string next_step)
      : mpirun_(mpirun), next_step_(std::move(next_step)) {}

  /// Looks who is there. The first that is missing is the one that the others are ended for.
  void look() {
    const std::string task = std::to_string(mpirun_);
    std::ifstream file("/proc/" + task + "/task/" + task + "/children");
    std::vector<pid_t> now;
    for (pid_t child; file >> child;) now.push_back(child);
    std::sort(now.begin(), now.end());
    if (now.size() > there_.size()) there_ = now;
    for (size_t rank = 0; rank < there_.size() && !missing_; ++rank)
      if (!std::binary_search(now.begin(), now.end(), there_[rank])) missing_ = rank;
  }

  /// The first stops the run, the next ones end it.
  void tell(int signal) {
    ++told_;
    if (told_ == 1) stopped_by_ = signal;
    ::kill(mpirun_, told_ > 2    ? SIGKILL
                    : told_ == 2 ? SIGTERM
                    // What mpirun passes on as it is. SIGINT it does not: it ends the ranks.
                    : signal == SIGINT ? SIGUSR1
                                       : SIGUSR2);
  }

  int exit_code(int status) const {
    const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (stopped_by_ != 0 && code != 0) return 128 + stopped_by_;
    if (code > 128 && !is_interrupt_exit_code(code) && missing_) {
      const std::string rank = "rank " + std::to_string(*missing_) + " on " + host_name() +
                               ": ended by signal " + std::to_string(code - 128) + " (" +
                               ::strsignal(code - 128) + ")" + "; the others are ended too" +
                               next_step_;
      print_message(laid_out(red("falconer:") + " " + rank) + "\n");
    }
    return code;
  }

 private:
  const pid_t mpirun_;
  const std::string next_step_;  // behind a rank's end
  std::vector<pid_t> there_;
  std::optional<size_t> missing_;
  int told_ = 0, stopped_by_ = 0;
};

}  // namespace

int launch_ranks(int ranks, const std::vector<std::string>& words, const std::string& next_step) {
  std::vector<std::string> all = launcher_words(ranks);
  all.insert(all.end(), words.begin(), words.end());
  sigset_t awaited, before;
  ::sigemptyset(&awaited);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::sigaddset(&awaited, signal);
  ::sigprocmask(SIG_BLOCK, &awaited, &before);
  const pid_t child = ::fork();
  if (child < 0) fail("{}: cannot be started: {}", all.front(), std::strerror(errno));
  if (child == 0) become(std::move(all), before);
  Launched launched(child, next_step);
  for (int status = 0;;) {
    constexpr timespec kTick{.tv_sec = 0, .tv_nsec = 100'000'000};
    const int signal = ::sigtimedwait(&awaited, nullptr, &kTick);
    if (::waitpid(child, &status, WNOHANG) == child) return launched.exit_code(status);
    if (signal > 0 && signal != SIGCHLD) launched.tell(signal);
    launched.look();
  }
}

}  // namespace falconer::cli
