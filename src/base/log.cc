#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>
#include <string>

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

}  // namespace

void set_log_level(LogLevel level) { of_process = level; }

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
  const std::string text = on_terminal(laid_out(warns ? yellow("warning:") + " " + shown : shown));
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
