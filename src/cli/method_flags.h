// Flags that one method of finetuning has and another has not.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace falconer::cli {

/// Error (usage): among `given`, what the command line itself says behind the program's name, is a flag
/// that the run's method does not look at. `all` has a recipe's flags as well, which may name the method,
/// and may have the settings of every method.
void refuse_flags_of_other_methods(const Command& app, const std::vector<std::string>& given,
                                   const std::vector<std::string>& all);

}  // namespace falconer::cli
