// What people read when a command line is wrong.
#pragma once

#include <string>
#include <vector>

#include "cli/flags.h"

namespace falconer::cli {

/// What is wrong with `words` (all after the program's name, in order), which `error` refused: a
/// command or a flag that does not exist, with the nearest that does, else what `error` says. Ends
/// with where to read on.
std::string explain(const Command& app, const std::vector<std::string>& words,
                    const std::string& error);

}  // namespace falconer::cli
