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
              {.required = true});
  command.add("--output", &options->output,
              "JSONL rows {\"loss\", \"tokens\", \"logprobs\"}; - is stdout",
              {.shows_default = true});
  command.add("--logits", &options->logits, "safetensors file for logits.<row>");
  command.add("--precision", &options->precision,
              "auto (bf16 where every matrix is, else f32), f32 or bf16", {.shows_default = true});
  add_device(command, options->device);
  add_overwrite(command, options->overwrite, "files that Falconer did not write");
  command.does([options] { score(*options); });
}

}  // namespace falconer::cli
