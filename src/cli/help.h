// What a word of a command line names, and what people read when one is wrong.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace falconer::cli {

/// What is wrong with `words` (all after the program's name, in order), which `error` refused: a
/// command or a flag that does not exist, with the nearest that does, else what `error` says. Ends
/// with where to read on.
std::string explain(const Command& app, const std::vector<std::string>& words,
                    const std::string& error);

/// The option of `app` that "--name" means; null where there is none.
const Flag* find_flag(const Command& app, const std::string& name);

/// The command of that name; null where there is none.
const Command* find_command(const Command& app, const std::string& name);

/// Whether the program or any command has the flag "--name".
bool knows_flag(const Command& app, const std::string& name);

}  // namespace falconer::cli
