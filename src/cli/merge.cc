// falconer merge
#include <memory>

#include "cli/print.h"
#include "falconer/checkpoint.h"
#include "falconer/process.h"

namespace falconer::cli {

void add_merge(CLI::App& app) {
  auto options = std::make_shared<MergeOptions>();
  add_checkpoint(app, options->checkpoint);
  add_adapter(app, options->adapter, options->any_base)->required();
  app.add_option("--out", options->out, "new model folder")->required();
  add_shard_size(app, options->max_shard_bytes);
  app.add_flag("--verify", options->verify, "compare logits before and after");
  add_overwrite(app, options->force, "a model that is there");
  auto json = std::make_shared<bool>(false);
  add_json(app, *json);
  app.callback([options, json] {
    handle_interrupts();
    print(merge(*options), *json);
  });
}

}  // namespace falconer::cli
