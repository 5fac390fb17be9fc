#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/one_of_many.h"
#include "base/terminal.h"

namespace falconer {
namespace {

// One line per message; only warnings carry their level, so that ordinary progress reads like text.
spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>(
        "falconer", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::debug);  // log_level() says what is written
    return made;
  }();
  return *instance;
}

std::atomic<LogLevel> of_process = LogLevel::kInfo;
thread_local std::optional<LogLevel> of_thread;
std::atomic<bool> with_times = false;

// "2026-11-30 18:00:00 "
std::string time_before_line() {
  if (!with_times) return {};
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  ::localtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S ", &parts)};
}

/// The log of a process that does not talk to the user.
class QuietLog {
 public:
  void add(const std::string& line) {
    const std::lock_guard<std::mutex> lock(guard_);
    if (file_ != nullptr)
      write(line);
    else if (held_.size() < kMostHeld)
      held_.push_back(line);
  }
  void open(const std::filesystem::path& path) {
    const std::lock_guard<std::mutex> lock(guard_);
    std::FILE* const file = std::fopen(path.c_str(), "ae");
    if (file == nullptr)
      fail("{}: cannot be written: {}; all machines have to share this folder", path.string(),
           std::strerror(errno));
    if (file_ != nullptr) std::fclose(file_);
    file_ = file;
    for (const std::string& line : held_) write(line);
    held_.clear();
  }

 private:
  static constexpr size_t kMostHeld = 10'000;

  void write(const std::string& line) {
    std::fputs((line + "\n").c_str(), file_);
    std::fflush(file_);
  }

  std::mutex guard_;
  std::FILE* file_ = nullptr;
  std::vector<std::string> held_;
};

QuietLog& quiet_log() {
  static QuietLog* const log = new QuietLog;  // threads may log while the process ends
  return *log;
}

}  // namespace

void log_to_file(const std::filesystem::path& path) {
  if (!speaks()) quiet_log().open(path);
}

void set_log_level(LogLevel level) { of_process = level; }

void set_log_times(bool on) { with_times = on; }

LogLevel log_level() { return of_thread.value_or(of_process); }

LogLevelHere::LogLevelHere(std::optional<LogLevel> level) : before_(of_thread) {
  if (level) of_thread = level;
}
LogLevelHere::~LogLevelHere() { of_thread = before_; }

// Names out of files are in it: none may command a terminal, nor a log that is shown on one later.
void log_line(LogLevel level, std::string_view said) {
  if (level < log_level()) return;
  // Long lines are broken between words, as a terminal does not.
  const bool warns = level == LogLevel::kWarning;
  const std::string shown = visible(said);
  const std::string time = time_before_line();
  if (!speaks()) return quiet_log().add(time + (warns ? "warning: " + shown : shown));
  const std::string text =
      on_terminal(laid_out(time + (warns ? yellow("warning:") + " " + shown : shown)));
  switch (level) {
    case LogLevel::kDebug:
      logger().debug("{}", text);
      break;
    case LogLevel::kWarning:
      logger().warn("{}", text);
      break;
    default:
      logger().info("{}", text);
      break;
  }
}

}  // namespace falconer
