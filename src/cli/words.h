// The words of a command line before they are parsed, and what is said of them afterwards.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace falconer::cli {

/// What is behind the program's name, in the names of our flags: '-' and '_' are the same in them,
/// other programs' names become ours, `--resume` may stand alone, and "finetune MODEL" is enough where
/// a recipe or a flag says the method. Error (usage): another program's flag that we answer.
std::vector<std::string> words_of(const Command& app, int argc, char** argv);

/// "--lr is given 2 times; the last counts, 1e-4": flags whose values differ. After parsing.
std::vector<std::string> repeats_in(const Command& app);

}  // namespace falconer::cli
