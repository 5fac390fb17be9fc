// Progress and warnings for people, on stderr. stdout is for results alone.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace falconer {

enum class LogLevel { kDebug, kInfo, kWarning, kQuiet };

/// What is written from now on; the default is kInfo.
void set_log_level(LogLevel level);
LogLevel log_level();

void log_line(LogLevel level, std::string_view text);

template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace falconer
