// Lines that somebody types, or that come through a pipe.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace falconer::cli {

/// On a terminal lines can be edited, and those before come back (libedit's keys: arrows, Ctrl-A, Ctrl-R, ...). What is
/// typed stays in memory alone.
class LineReader {
 public:
  /// `asking`: somebody types, and is shown a prompt.
  explicit LineReader(bool asking);
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader();

  /// A message in valid UTF-8, with U+FFFD for what is none: one line, or several, where a line ends with a backslash, or
  /// stands between """ and """. Nothing at the end of the input.
  std::optional<std::string> read(const std::string& prompt);

 private:
  struct Editor;
  std::optional<std::string> read_line(const std::string& prompt);

  bool asking_;
  std::unique_ptr<Editor> editor_;  // null: not a terminal
};

}  // namespace falconer::cli
