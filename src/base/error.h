// Throwing falconer::Error for wrong input, and FALCONER_CHECK for wrong code.
#pragma once

#ifndef __CUDACC__  // nvcc cannot read fmt's headers: files of kernels check, and do not format
#include "base/spelling.h"
#endif

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "falconer/error.h"

namespace falconer {

inline constexpr int kExitFailure = 1;        // something went wrong while running
inline constexpr int kExitUsage = 2;          // the command line was wrong
inline constexpr int kExitInterrupted = 130;  // stopped by Ctrl-C, after saving

#ifndef __CUDACC__
/// Throws Error (exit code 1) with a formatted message. Settings in it are flags here, "--lora-r": users of the
/// library read "lora_r" (spelling.h).
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(worded(format, std::forward<Args>(args)...), kExitFailure);
}

/// Throws Error (exit code 2): the command line or a recipe asks for something that cannot be.
template <class... Args>
[[noreturn]] void fail_usage(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(worded(format, std::forward<Args>(args)...), kExitUsage);
}

#endif

/// Our own code is wrong. Not an Error: nobody who uses Falconer can mend it.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

/// Text from a file that nobody has vouched for, fit for a message on a terminal: what is not
/// printable ASCII becomes '?', and what is long is cut.
std::string printable(std::string_view text);

}  // namespace falconer

/// Stays on in release builds: a broken assumption must never become a silent wrong result.
#define FALCONER_CHECK(condition)                                               \
  do {                                                                          \
    if (!(condition)) ::falconer::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
