// --ranks: mpirun as a child, whose output is handed on, and whose ranks are told of Ctrl-C in words of their own.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/one_of_many.h"
#include "base/process.h"
#include "base/streams.h"
#include "base/system.h"
#include "base/terminal.h"
#include "cli/rank_flags.h"
#include "cli/relay.h"

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

/// The command that starts ranks.
struct Launcher {
  bool is_open_mpi;  // then its children are the ranks
  std::vector<std::string> words;
};

// Cores are divided by the ranks themselves. Which flags there are is Open MPI's own; -n is everybody's.
Launcher find_launcher(int ranks) {
  const std::string mpirun = find_mpirun(), count = std::to_string(ranks);
  const std::string version = run_process({mpirun, "--version"}, "/dev/null").output;
  if (version.find("Open MPI") == std::string::npos &&
      version.find("open-mpi") == std::string::npos)
    return {false, {mpirun, "-n", count}};
  return {true,
          {mpirun, "-q", "--host", "localhost:" + count, "--oversubscribe", "--bind-to", "none",
           "-n", count}};
}

/// What mpirun's output becomes: this process's own, whose end or failure mpirun does not survive, or not notice.
struct Streams {
  Relay results{print_result};
  Relay messages{[](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  }};
  void begin() {
    results.begin();
    messages.begin();
  }
};

// Ranks read nothing from standard input, which is others' then: a shell's loop that reads it.
void take_streams(const Streams& streams) {
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing >= 0) ::dup2(nothing, STDIN_FILENO);
  ::dup2(streams.results.child_end(), STDOUT_FILENO);
  ::dup2(streams.messages.child_end(), STDERR_FILENO);
}

// Runs as a group of its own, so that Ctrl-C reaches this process alone, and ends with it.
[[noreturn]] void become(std::vector<std::string> words, const Streams& streams,
                         const sigset_t& signals) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  // What is ignored here is not to be ignored where this process sends it.
  for (const int number : {SIGTERM, SIGUSR1, SIGUSR2}) std::signal(number, SIG_DFL);
  ::sigprocmask(SIG_SETMASK, &signals, nullptr);
  if (::geteuid() == 0)
    for (const char* allowed : {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"})
      ::setenv(allowed, "1", 1);
  // print_result() shows a terminal no escapes, whoever they are from.
  if (stdout_is_terminal()) ::setenv("NO_COLOR", "1", 1);
  take_streams(streams);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv(arguments.front(), arguments.data());
  ::_exit(127);
}

// Ended, and not yet noticed by its parent.
bool is_zombie(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(file, text);
  const size_t name_end = text.rfind(')');
  return name_end != std::string::npos && text.substr(name_end).starts_with(") Z");
}

/// mpirun and what it started, in the order of the ranks.
class Launched {
 public:
  Launched(pid_t mpirun, bool is_open_mpi, int ranks, std::string next_step)
      : mpirun_(mpirun),
        is_open_mpi_(is_open_mpi),
        ranks_(static_cast<size_t>(ranks)),
        next_step_(std::move(next_step)) {}

  /// Looks who is there. The first that is missing is the one that the others are ended for.
  void look() {
    const std::string task = std::to_string(mpirun_);
    std::ifstream file("/proc/" + task + "/task/" + task + "/children");
    if (!file) return;
    looked_ = true;
    now_.clear();
    for (pid_t child; file >> child;)
      if (!is_zombie(child)) now_.push_back(child);
    std::sort(now_.begin(), now_.end());
    if (now_.size() > there_.size()) there_ = now_;
    for (size_t rank = 0; rank < there_.size() && !missing_; ++rank)
      if (!std::binary_search(now_.begin(), now_.end(), there_[rank])) {
        missing_ = rank;
        missing_at_ = now_seconds();
      }
  }

  /// The first stops the run, the next ones end it.
  void tell(int signal) {
    if (stopped_by_ == 0) {
      stopped_by_ = signal;
      stop(signal == SIGINT ? SIGUSR1 : SIGUSR2);
    } else {
      end();
    }
  }

  /// Ends the ranks; at once where it was asked for before.
  void end() {
    ::kill(mpirun_, ended_at_ ? SIGKILL : SIGTERM);
    if (ended_at_)
      for (const pid_t rank : now_) ::kill(rank, SIGKILL);
    else
      ended_at_ = now_seconds();
  }

  /// An end comes in time: one that was asked for, and that of the job behind a rank that is gone, since ranks leave
  /// together, with all saved. Open MPI 4.1.4's mpirun waits for a lock for ever where ranks end as they join.
  void see_to_end() {
    constexpr double kLongest = 10, kAfterStop = 5, kAfterRank = 30;
    if (ended_at_ && now_seconds() > *ended_at_ + kLongest) end();
    if (ended_at_ || !missing_) return;
    const double longest = stopped_by_ != 0 ? kAfterStop : kAfterRank;
    if (now_seconds() < missing_at_ + longest) return;
    if (stopped_by_ == 0)
      say(fmt::format(
          "rank {} on {} is gone, and mpirun has not ended the job in {} s; it is ended now",
          *missing_, host_name(), longest));
    end();
  }

  int exit_code(int status) const {
    const bool killed = WIFSIGNALED(status);
    const int code = killed ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (stopped_by_ != 0 && (code != 0 || unbegun_)) return 128 + stopped_by_;
    if (killed && !ended_at_)
      say("mpirun: ended by " + signal_text(code - 128) + "; the ranks end with it");
    else if (code > 128 && !ended_at_ && !is_interrupt_exit_code(code) && missing_)
      say("rank " + std::to_string(*missing_) + " on " + host_name() + ": ended by " +
          signal_text(code - 128) + "; the others are ended too");
    return code;
  }

 private:
  static std::string signal_text(int number) {
    return "signal " + std::to_string(number) + " (" + ::strsignal(number) + ")";
  }
  void say(const std::string& what) const {
    print_message(laid_out(red("falconer:") + " " + what + next_step_) + "\n");
  }

  // mpirun passes these on (SIGINT it does not: it ends the ranks), but loses what comes before there are ranks.
  // So they are sent to the ranks themselves; and where not all of them are there, none has begun.
  void stop(int number) {
    look();
    unbegun_ = is_open_mpi_ && looked_ && there_.size() < ranks_;
    if (unbegun_)
      end();
    else if (is_open_mpi_ && looked_)
      for (const pid_t rank : now_) ::kill(rank, number);
    else
      ::kill(mpirun_, number);
  }

  const pid_t mpirun_;
  const bool is_open_mpi_;
  const size_t ranks_;
  const std::string next_step_;     // behind a rank's end
  std::vector<pid_t> there_, now_;  // at most; the last time
  bool looked_ = false, unbegun_ = false;
  std::optional<size_t> missing_;
  double missing_at_ = 0;
  std::optional<double> ended_at_;
  int stopped_by_ = 0;
};

/// Those that are to be heard of: what whoever started this process has it ignore stays ignored.
sigset_t awaited_signals() {
  sigset_t awaited;
  ::sigemptyset(&awaited);
  ::sigaddset(&awaited, SIGCHLD);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action = {};
    if (::sigaction(number, nullptr, &action) != 0 || action.sa_handler != SIG_IGN)
      ::sigaddset(&awaited, number);
  }
  return awaited;
}

}  // namespace

int launch_ranks(int ranks, const std::vector<std::string>& words, const std::string& next_step) {
  Launcher launcher = find_launcher(ranks);
  launcher.words.insert(launcher.words.end(), words.begin(), words.end());
  Streams streams;
  sigset_t before;
  const sigset_t awaited = awaited_signals();
  ::sigprocmask(SIG_BLOCK, &awaited, &before);
  const pid_t child = ::fork();
  if (child < 0) fail("{}: cannot be started: {}", launcher.words.front(), std::strerror(errno));
  if (child == 0) become(std::move(launcher.words), streams, before);
  streams.begin();
  Launched launched(child, launcher.is_open_mpi, ranks, next_step);
  int status = 0;
  for (bool failed = false;;) {
    constexpr timespec kTick{.tv_sec = 0, .tv_nsec = 100'000'000};
    const int signal = ::sigtimedwait(&awaited, nullptr, &kTick);
    if (::waitpid(child, &status, WNOHANG) == child) break;
    if (signal > 0 && signal != SIGCHLD) launched.tell(signal);
    launched.look();
    // Nobody gets what they would say.
    if (streams.results.failed() && !std::exchange(failed, true)) launched.end();
    launched.see_to_end();
  }
  // Who reads slowly can be left by another Ctrl-C.
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  streams.messages.finish();
  streams.results.finish();
  return launched.exit_code(status);
}

}  // namespace falconer::cli
