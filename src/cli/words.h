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

/// Whether finetune and plan take it as METHOD.
bool is_method(const std::string& word);

/// Whether the word behind words[at], the name of `flag`, is its value: of a flag that may stand alone, what is no
/// flag and no method.
bool value_follows(const Flag& flag, const std::vector<std::string>& words, size_t at);

/// The places in `words` (all behind the program's name) of what is no flag, no flag's value and not the
/// command, which goes to `command`; null where there is none.
std::vector<size_t> bare_words(const Command& app, const Command*& command,
                               const std::vector<std::string>& words);
/// The names of the flags in `words`, without their values.
std::vector<std::string> flag_names(const Command& app, const std::vector<std::string>& words);

/// "--lr is given 2 times; the last counts, 1e-4": flags whose values differ. After parsing.
std::vector<std::string> repeats_in(const Command& app);
/// Of `typed`, the words of the command line without its recipe's: a flag that another one makes mean nothing.
/// Empty where there is none. After parsing.
std::string overruled_in(const Command& app, const std::vector<std::string>& typed);

}  // namespace falconer::cli
