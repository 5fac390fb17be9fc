// falconer score
#include "cli/command.h"
#include "falconer/use.h"

namespace falconer::cli {

void add_score(Command& command) {
  auto options = std::make_shared<ScoreOptions>();
  options->output = "-";
  add_checkpoint(command, options->checkpoint);
  add_adapter(command, options->adapter, options->any_base);
  command.add("--data", &options->data,
              "JSONL rows {\"input_ids\", \"labels\"?} or {\"text\"}; - is stdin",
              {.required = true, .kind = ValueKind::kFile});
  command.add("--output", &options->output,
              "JSONL rows {\"loss\", \"tokens\", \"logprobs\"}; - is stdout",
              {.shows_default = true, .kind = ValueKind::kFile});
  command.add("--logits", &options->logits, "safetensors file for logits.<row>",
              {.kind = ValueKind::kFile});
  add_precision(command, options->precision, options->device);
  add_overwrite(command, options->overwrite, "files that Falconer did not write");
  command.does([options] { score(*options); });
}

}  // namespace falconer::cli
