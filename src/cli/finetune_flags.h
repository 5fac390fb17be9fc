// The flags that finetune and plan share.
#pragma once

#include <memory>

#include "cli/command.h"
#include "falconer/falconer.h"

namespace falconer::cli {

void add_finetune_flags(CLI::App& app, const std::shared_ptr<FinetuneOptions>& options);

}  // namespace falconer::cli
