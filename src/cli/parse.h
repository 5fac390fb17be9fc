// Command lines read into the tables of commands and flags, and help written from them. The one place that
// knows CLI11.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "cli/flags.h"

namespace falconer::cli {

/// What a command line says that cannot be: "--lr: "fast" is not a finite number".
class WrongCommandLine : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Parsed {
  const Command* command = nullptr;  // the one that `words` name; null: none
  std::string text;                  // what was asked for instead, by --help or --version
};

/// Sets what `words` (all behind the program's name) say: the values of the flags of `program` and of the
/// command that they name, and Flag::given. Runs nothing. Of a flag that is given several times the last
/// counts, unless it is a list. Throws WrongCommandLine.
Parsed parse(Command& program, const std::vector<std::string>& words);

/// What --help says of the whole program.
std::string help_text(Command& program);

}  // namespace falconer::cli
