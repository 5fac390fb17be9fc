// Recipes on the command line: the keys of a file become flags of a command.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace falconer::cli {

/// A flag that a recipe gives, as it would be written on the command line.
struct RecipeFlag {
  std::string word;              // --name=value
  const Flag* option = nullptr;  // what it sets
  std::string place;             // FILE:LINE
};

/// The flags of the recipe at `path` for `command`, a command of `app` (whose own flags are known
/// too). A key is a flag's name without its dashes; "" stands for the default. Error: a key that is
/// no flag, with file, line and the nearest name.
std::vector<RecipeFlag> read_recipe(const Command& app, const Command& command,
                                    const std::string& path);

/// What `words` (behind the command's name) set, flags and positionals.
std::vector<const Flag*> options_given(const Command& app, const Command& command,
                                       const std::vector<std::string>& words);

/// `words` (all behind the program's name) with the flags of the recipe that --config names behind
/// the command, less those that are given beside it. `added`: what was put in.
std::vector<std::string> with_recipe(const Command& app, const std::vector<std::string>& words,
                                     std::vector<RecipeFlag>& added);

/// FILE:LINE of the flag that `error` complains of, where a recipe gave it; else empty.
std::string place_of(const std::string& error, const std::vector<RecipeFlag>& added);

}  // namespace falconer::cli
