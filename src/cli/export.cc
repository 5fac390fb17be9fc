// falconer export
#include <memory>

#include "cli/print.h"
#include "falconer/checkpoint.h"
#include "falconer/process.h"

namespace falconer::cli {

void add_export(CLI::App& app) {
  auto options = std::make_shared<ExportOptions>();
  add_checkpoint(app, options->checkpoint);
  add_adapter(app, options->adapter, options->any_base);
  app.add_option("--format", options->format,
                 "hf, gguf: a model (an adapter is folded in); litgpt, lit-parrot: a model, or the "
                 "adapter that is given; peft, gguf-lora: an adapter")
      ->required();
  app.add_option("--out", options->out,
                 "new folder; a file for gguf and gguf-lora, or ending in .pth")
      ->required();
  app.add_option("--dtype", options->dtype,
                 "f32, f16, bf16, for gguf also q8_0 (auto: as stored; adapters f32)")
      ->capture_default_str();
  add_shard_size(app, options->max_shard_bytes);
  app.add_flag("--verify", options->verify, "open what was written and compare logits");
  add_overwrite(app, options->force, "a model, an adapter or a file that is there");
  auto json = std::make_shared<bool>(false);
  add_json(app, *json);
  app.callback([options, json] {
    handle_interrupts();
    print(export_model(*options), *json);
  });
}

}  // namespace falconer::cli
