// falconer merge
#include <memory>

#include "cli/print.h"
#include "falconer/checkpoint.h"
#include "falconer/process.h"

namespace falconer::cli {

void add_merge(Command& command) {
  auto options = std::make_shared<MergeOptions>();
  add_checkpoint(command, options->checkpoint);
  add_adapter(command, options->adapter, options->any_base).traits.required = true;
  command.add("--out", &options->out, "new model folder",
              {.required = true, .kind = ValueKind::kFolder});
  add_shard_size(command, options->max_shard_bytes);
  command.add("--verify", &options->verify, "compare logits before and after");
  add_overwrite(command, options->force, "a model that is there");
  auto json = std::make_shared<bool>(false);
  add_json(command, *json);
  command.does([options, json] {
    handle_interrupts();
    print(merge(*options), *json);
  });
}

}  // namespace falconer::cli
