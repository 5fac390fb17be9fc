// The flags that finetune, plan and compare share.
#pragma once

#include "cli/command.h"
#include "falconer/finetune.h"

namespace falconer::cli {

/// METHOD, --out and what bears on the run: model, data, training, methods, saving and watching. `options`
/// must outlive the parsing.
void add_finetune_flags(Command& command, FinetuneOptions& options);

/// --overwrite and --resume.
void add_earlier_run_flags(Command& command, FinetuneOptions& options);

/// Of these what a comparison says of all its runs; none is required.
void add_common_run_flags(Command& command, FinetuneOptions& options);

}  // namespace falconer::cli
