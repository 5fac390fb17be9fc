// Numbers on the command line and in recipes.
#pragma once

#include "cli/command.h"

namespace falconer::cli {

/// Every flag of `app` that takes a number takes nothing else: "2.5" and "true" are no whole numbers,
/// "nan" and "1e400" no numbers at all. Whether a number is one that can be is for the library to say.
void check_numbers(CLI::App& app);

}  // namespace falconer::cli
