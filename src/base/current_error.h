// What is said of an exception, whatever it is: the same words wherever it ends.
#pragma once

#include <string>

namespace falconer {

struct CurrentError {
  enum class Kind { kWrongInput, kNoMemory, kBug };
  std::string text;
  Kind kind = Kind::kBug;
  int exit_code = 1;
};
/// Of the exception that is being handled.
CurrentError current_error();

}  // namespace falconer
