// The settings of evaluate, a line for each. What finetune and generate have too is as they have it.
#include "api/settings/as_finetune.h"
#include "api/settings/ranges.h"
#include "falconer/use.h"

namespace falconer {

// clang-format off
std::vector<SettingRow> rows_of(EvaluateOptions& o) {
  const std::vector<SettingRow> model = rows_of(o.model);
  std::vector<SettingRow> rows;
  for (const char* name : {"checkpoint", "any-base", "adapter"})
    rows.push_back(find_in(model, name));
  rows.back().value = &o.adapters;
  rows.back().help = "adapter: its folder or the run's, org/name on the hub, or a .pth file of LitGPT or Lit-Parrot; "
                     "NAME=PATH gives it a name (may be given again)";
  const std::vector<SettingRow> own = {
      {.names = "base", .value = &o.base, .help = "the model without an adapter is measured too"},
      {.names = "also", .value = &o.also,
       .help = "another checkpoint, such as a merged one, PATH or NAME=PATH, that is measured too (may be given again)"},
      {.names = "data", .value = &o.data,
       .help = "rows with the answers that are expected; of rows with \"options\" or \"choices\" the most "
               "likely one is the answer",
       .kind = ValueKind::kData},
      {.names = "perplexity", .value = &o.perplexity,
       .help = "text file whose perplexity and bits per byte are measured", .kind = ValueKind::kFile},
      {.names = "window", .value = &o.window,
       .help = "of --perplexity: tokens that are read together; 0: the context, 4096 at most",
       .range = kTokensTogether, .shows_default = true},
      {.names = "stride", .value = &o.stride,
       .help = "of --perplexity: tokens from one window to the next; 0: half of a window",
       .range = kTokensTogether, .shows_default = true},
      {.names = "chat-template", .value = &o.chat_template,
       .help = "on: prompts in the checkpoint's own chat template, as --prompt-style chat; off: as they stand, as raw",
       .choices = {"on", "off"}, .alone = "on"},
      as_finetune("data-format", &o.data_format),
      as_finetune("columns", &o.columns),
      as_finetune("strict-columns", &o.strict_columns),
      as_finetune("delimiter", &o.delimiter),
      as_finetune("encoding", &o.encoding),
      {.names = "output", .value = &o.output, .help = "JSONL with every answer",
       .kind = ValueKind::kFile},
      {.names = "limit", .value = &o.limit, .help = "ask only so many rows; 0: all",
       .range = kRowCounts, .shows_default = true},
      {.names = "batch-size", .value = &o.batch_size, .help = "rows that are answered together",
       .range = kRowsTogether, .shows_default = true},
  };
  rows.insert(rows.end(), own.begin(), own.end());
  for (const char* name : {"prompt-style", "parse-special", "precision", "quantize", "compute", "device", "shard"})
    rows.push_back(find_in(model, name));
  std::vector<SettingRow> sampling = rows_of(o.sampling);
  // An answer that never ends is never right, and one to each row is judged.
  std::erase_if(sampling, [](const SettingRow& row) {
    return key_of(row) == "ignore-eos" || key_of(row) == "num-return-sequences";
  });
  rows.insert(rows.end(), sampling.begin(), sampling.end());
  rows.push_back({.names = "overwrite,force", .value = &o.overwrite,
                  .help = "replace a file that Falconer did not write"});
  return rows;
}
// clang-format on

}  // namespace falconer
