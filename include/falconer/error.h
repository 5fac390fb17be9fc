// The one exception type that Falconer throws when its input is wrong.
#pragma once

#include <stdexcept>
#include <string>

namespace falconer {

/// Wrong input: a file, a flag, a request. The message names the thing, what was expected, what was
/// found and a next step. `exit_code` is what a command-line program should end with.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, int exit_code = 1)
      : std::runtime_error(message), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

}  // namespace falconer
