// Lines that somebody types, or that come through a pipe.
#pragma once

#include <csignal>
#include <memory>
#include <optional>
#include <string>

namespace falconer::cli {

/// On a terminal lines can be edited, and those before come back (libedit's keys: arrows, Ctrl-A, Ctrl-R, ...). What is
/// typed stays in memory alone. While it lives Ctrl-C there ends nothing: it cancels what is being typed, and else it asks
/// running work to stop, as interrupted() tells, however often it comes.
class LineReader {
 public:
  /// `typed`: standard input is a terminal. `asking`: who types there is shown a prompt, and behind Ctrl-C `hint`.
  LineReader(bool typed, bool asking, std::string hint);
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader();

  /// A message in valid UTF-8, with U+FFFD for what is none: one line, or several, where a line ends with a backslash, or
  /// stands between """ and """. Nothing at the end of the input.
  std::optional<std::string> read(const std::string& prompt);

 private:
  struct Editor;
  std::optional<std::string> read_message(const std::string& prompt);
  std::optional<std::string> read_line(const std::string& prompt);
  bool wait_for_line() const;

  bool typed_, asking_;
  std::string hint_;
  bool cancelled_ = false;  // by Ctrl-C, what was being typed
  struct sigaction before_ = {};
  std::unique_ptr<Editor> editor_;  // null: not a terminal
};

}  // namespace falconer::cli
