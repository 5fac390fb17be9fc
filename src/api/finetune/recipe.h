// A finetuning run's settings as a recipe: a TOML file that `falconer finetune --config` runs again.
#pragma once

#include <string>
#include <vector>

#include "falconer/finetune.h"

namespace falconer {

/// Every flag that bears on the run with its value, under the flag's name; flags of other methods,
/// and those that say what to do with an earlier run, are left out. `notes` stand above as comments.
std::string recipe_text(const FinetuneOptions& options, const std::vector<std::string>& notes = {});

/// Whether two recipes run with the same settings, in whatever order and with defaults said or not: a recipe of
/// before has no word of what came later.
bool same_settings(const std::string& recipe, const std::string& other);

/// What the run was made with, cheap to find: the program's version, sizes and dates of its inputs.
std::vector<std::string> recipe_notes(const FinetuneOptions& options);

}  // namespace falconer
