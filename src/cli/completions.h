// What a shell needs to complete the program's command lines, as a script made from the tables of flags.
#pragma once

#include <string>
#include <vector>

#include "cli/flags.h"

namespace falconer::cli {

/// "bash", "fish", "zsh"
const std::vector<std::string>& shells();

/// The script for `shell`, one of shells(): it completes commands, flags, and values that are words
/// (methods, formats, ...), files or folders.
std::string completions(const Command& program, const std::string& shell);

}  // namespace falconer::cli
