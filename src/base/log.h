// Progress and warnings for people, on stderr. stdout is for results alone.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include "base/spelling.h"

namespace falconer {

enum class LogLevel { kDebug, kInfo, kWarning, kQuiet };

/// What is written from now on, by all threads; the default is kInfo.
void set_log_level(LogLevel level);
/// Of this thread.
LogLevel log_level();

/// Whether lines begin with the date and the time here, as those of a server do, which runs for weeks.
void set_log_times(bool on);

/// While it lives the log of this thread has a level of its own, if one is given.
class LogLevelHere {
 public:
  explicit LogLevelHere(std::optional<LogLevel> level);
  LogLevelHere(const LogLevelHere&) = delete;
  LogLevelHere& operator=(const LogLevelHere&) = delete;
  ~LogLevelHere();

 private:
  std::optional<LogLevel> before_;
};

void log_line(LogLevel level, std::string_view text);

template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kDebug, worded(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kInfo, worded(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarning, worded(format, std::forward<Args>(args)...));
}

}  // namespace falconer
