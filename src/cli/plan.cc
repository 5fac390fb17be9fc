// falconer plan METHOD
#include <memory>

#include "cli/finetune_flags.h"
#include "cli/print.h"

namespace falconer::cli {

void add_plan(Command& command) {
  auto options = std::make_shared<FinetuneOptions>();
  add_finetune_flags(command, *options);
  auto json = std::make_shared<bool>(false);
  add_json(command, *json);
  command.does([options, json] { print(plan(*options), *json); });
}

}  // namespace falconer::cli
