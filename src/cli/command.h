// The commands of the program: each is one file and one line of the table in main.cc.
#pragma once

#include <string>

#include "cli/setting_flags.h"

namespace falconer::cli {

/// Adds a command's flags to `command` and sets what it does when it was chosen.
void add_chat(Command& command);
void add_check(Command& command);
void add_compare(Command& command);
void add_completions(Command& command);
void add_download(Command& command);
void add_evaluate(Command& command);
void add_export(Command& command);
void add_finetune(Command& command);
void add_generate(Command& command);
void add_inspect(Command& command);
void add_merge(Command& command);
void add_plan(Command& command);
void add_prepare(Command& command);
void add_quantize(Command& command);
void add_runs(Command& command);
void add_score(Command& command);
void add_selftest(Command& command);
void add_serve(Command& command);
void add_tokenize(Command& command);
void add_verify(Command& command);

/// --threads, a flag of the program that `command` belongs to; 0: not given.
inline int threads_of(const Command& command) {
  return *std::get<int*>(command.parent()->flag("--threads").value);
}

/// A model alone.
inline void add_checkpoint(Command& command, std::string& value) {
  add_as_finetune(command, "checkpoint", &value);
}

}  // namespace falconer::cli
