// What people read when they ask for help, and when a command line is wrong.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace falconer::cli {

/// Gives the whole program its look of --help. Before commands are added.
void set_help_style(CLI::App& app);

/// What is wrong with `words` (all after the program's name, in order), which `error` refused: a
/// command or a flag that does not exist, with the nearest that does, else what `error` says. Ends
/// with where to read on.
std::string explain(const CLI::App& app, const std::vector<std::string>& words,
                    const CLI::ParseError& error);

/// The option of `app` that "--name" means; null where there is none.
const CLI::Option* find_flag(const CLI::App& app, const std::string& name);

/// The command of that name; null where there is none.
const CLI::App* find_command(const CLI::App& app, const std::string& name);

/// Whether the program or any command has the flag "--name".
bool knows_flag(const CLI::App& app, const std::string& name);

}  // namespace falconer::cli
