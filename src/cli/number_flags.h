// What the values of a flag may be, on the command line and in recipes.
#pragma once

#include "cli/flags.h"

namespace falconer::cli {

/// "INT", "UINT", "FLOAT" or "TEXT", as help has it.
const char* number_type_of(const Flag& flag);

/// Makes "5GB" 5000000000, and "4 KiB" 4096; returns what is wrong with a text that is no size, or "".
std::string to_bytes(std::string& text);

/// What is wrong with `text` as a value of `flag`; empty: nothing. A flag that takes a number takes nothing
/// else: "2.5" and "true" are no whole numbers, "nan" and "1e400" no numbers at all. Whether a number is
/// one that can be is for the library to say.
std::string number_problem(const Flag& flag, const std::string& text);

}  // namespace falconer::cli
