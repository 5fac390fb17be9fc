#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

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
    made->set_level(spdlog::level::info);
    return made;
  }();
  return *instance;
}

}  // namespace

void set_log_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      logger().set_level(spdlog::level::debug);
      break;
    case LogLevel::kInfo:
      logger().set_level(spdlog::level::info);
      break;
    case LogLevel::kWarning:
      logger().set_level(spdlog::level::warn);
      break;
    case LogLevel::kQuiet:
      logger().set_level(spdlog::level::off);
      break;
  }
}

LogLevel log_level() {
  switch (logger().level()) {
    case spdlog::level::trace:
    case spdlog::level::debug:
      return LogLevel::kDebug;
    case spdlog::level::info:
      return LogLevel::kInfo;
    case spdlog::level::warn:
      return LogLevel::kWarning;
    default:
      return LogLevel::kQuiet;
  }
}

// Names out of files are in it: none may command a terminal, nor a log that is shown on one later.
void log_line(LogLevel level, std::string_view said) {
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
