// The manual page.
#pragma once

#include <string>

#include "cli/flags.h"

namespace falconer::cli {

/// What `falconer help --man` prints: falconer(1) in the man macros, with all commands and flags.
std::string manual(const Command& program);

}  // namespace falconer::cli
