// falconer plan METHOD
#include <memory>

#include "cli/finetune_flags.h"
#include "cli/print.h"

namespace falconer::cli {

void add_plan(CLI::App& app) {
  auto options = std::make_shared<FinetuneOptions>();
  add_finetune_flags(app, *options);
  auto json = std::make_shared<bool>(false);
  add_json(app, *json);
  app.callback([options, json] { print(plan(*options), *json); });
}

}  // namespace falconer::cli
