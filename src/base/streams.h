// The process's own streams: results on stdout, whose failure is an error, and messages on stderr,
// whose failure is not.
#pragma once

#include <string_view>

#include "falconer/error.h"

namespace falconer {

/// What a shell says of a program that SIGPIPE ended: who read the results has gone, as `head` does.
inline constexpr int kExitReaderGone = 141;

/// Results cannot be written. Its message names where to; exit code kExitReaderGone, which is ended
/// with in silence, where nobody reads them any more, else 1.
class OutputError : public Error {
 public:
  using Error::Error;
};

/// At the start of a program. What of stdin, stdout and stderr is closed is taken, so that no file
/// that is opened later gets its place and is written into; reading and writing there still fail.
/// SIGPIPE and SIGXFSZ are ignored: the write that they would have ended says what is wrong. SIGCHLD is
/// not, whoever started the program: else no process of its own could be waited for.
void prepare_streams();

/// Writes to stdout at once. Where that is a terminal, control characters are shown (on_terminal() in
/// base/terminal.h), so that nothing that a model or a file says can command it. Error: OutputError.
void print_result(std::string_view text);
/// What anybody left in the buffers of stdout is written. Error: OutputError, also for a write to
/// stdout that failed before and was not looked at.
void finish_results();

/// Writes to stderr, with control characters shown. Nothing is said where that fails.
void print_message(std::string_view text);

}  // namespace falconer
