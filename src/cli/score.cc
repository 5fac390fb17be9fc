// falconer score
#include "cli/command.h"
#include "falconer/use.h"

namespace falconer::cli {

void add_score(CLI::App& app) {
  auto options = std::make_shared<ScoreOptions>();
  options->output = "-";
  add_checkpoint(app, options->checkpoint);
  add_adapter(app, options->adapter, options->any_base);
  app.add_option("--data", options->data,
                 "JSONL rows {\"input_ids\", \"labels\"?} or {\"text\"}; - is stdin")
      ->required();
  app.add_option("--output", options->output,
                 "JSONL rows {\"loss\", \"tokens\", \"logprobs\"}; - is stdout")
      ->capture_default_str();
  app.add_option("--logits", options->logits, "safetensors file for logits.<row>");
  app.add_option("--precision", options->precision,
                 "auto (bf16 where every matrix is, else f32), f32 or bf16")
      ->capture_default_str();
  add_device(app, options->device);
  add_overwrite(app, options->overwrite, "files that Falconer did not write");
  app.callback([options] { score(*options); });
}

}  // namespace falconer::cli
