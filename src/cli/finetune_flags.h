// The flags that finetune, plan and compare share.
#pragma once

#include "cli/command.h"
#include "falconer/finetune.h"

namespace falconer::cli {

/// METHOD, --out and all of add_run_flags. `options` must outlive the parsing.
void add_finetune_flags(Command& command, FinetuneOptions& options);

/// --overwrite and --resume.
void add_earlier_run_flags(Command& command, FinetuneOptions& options);

/// Model, data, training, methods, saving and watching. `bare`: the model needs no flag.
void add_run_flags(Command& command, FinetuneOptions& options, bool bare);

}  // namespace falconer::cli
