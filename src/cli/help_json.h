// All commands and flags for programs: completions, manuals and bindings are made from it.
#pragma once

#include <string>

#include "cli/flags.h"

namespace falconer::cli {

/// What `falconer help --json` prints: an object {"name", "version", "help", "flags", "commands"} where a
/// command is {"name", "help", "flags"} and a flag is
///   {"names": ["--lr", "--learning-rate"], "type", "default", "help", "required", "group"}
/// and, where it has them, "negations": ["--no-shuffle"]; "positional": what stands without the flag;
/// "choices", with "open": true where others may stand too; "expected" of a number; "kind" of what a text
/// names ("file", "folder", "model", ...); "repeats": true for a list, "commas": true where its items may
/// stand in one text; "alone": what it means without a value; "methods" that it bears on. "type" is "bool"
/// (no value need follow), "int", "uint", "float", "string", "list" or "none" (--help). "default" is of that
/// type, or null.
std::string help_json(const Command& program);

}  // namespace falconer::cli
