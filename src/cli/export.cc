// falconer export
#include <memory>

#include "cli/print.h"
#include "falconer/checkpoint.h"
#include "falconer/process.h"

namespace falconer::cli {

void add_export(Command& command) {
  auto options = std::make_shared<ExportOptions>();
  add_checkpoint(command, options->checkpoint);
  add_adapter(command, options->adapter, options->any_base);
  command.add(
      "--format", &options->format,
      "hf, gguf: a model (an adapter is folded in); litgpt, lit-parrot: a model, or the "
      "adapter that is given; peft, gguf-lora: an adapter",
      {.required = true, .offers = {"hf", "gguf", "litgpt", "lit-parrot", "peft", "gguf-lora"}});
  command.add("--out", &options->out,
              "new folder; a file for gguf and gguf-lora, or ending in .pth",
              {.required = true, .kind = ValueKind::kPath});
  command.add("--dtype", &options->dtype,
              "f32, f16, bf16, for gguf also q8_0 (auto: as stored; adapters f32)",
              {.shows_default = true, .offers = {"auto", "f32", "f16", "bf16", "q8_0"}});
  add_shard_size(command, options->max_shard_bytes);
  command.add("--verify", &options->verify, "open what was written and compare logits");
  add_overwrite(command, options->force, "a model, an adapter or a file that is there");
  auto json = std::make_shared<bool>(false);
  add_json(command, *json);
  command.does([options, json] {
    handle_interrupts();
    print(export_model(*options), *json);
  });
}

}  // namespace falconer::cli
