// A finetuning run that was checked and not begun: what the commands that plan share with finetune.
#pragma once

#include "data/load.h"
#include "falconer/finetune.h"

namespace falconer {

struct CheckedRun {
  FinetunePlan plan;
  FinetuneOptions resolved;  // the options with what their defaults came to
  LoadedData data;
  int64_t parameters = 0;  // of the model, a tied head counted once
};

/// falconer::dry_run with more of what was found; `show_data`: a look at the rows for people.
CheckedRun check_run(const FinetuneOptions& options, bool show_data,
                     const RunContext& context = {});

}  // namespace falconer
