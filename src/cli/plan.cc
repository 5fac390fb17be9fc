// falconer plan METHOD
#include <iostream>
#include <memory>

#include "cli/finetune_flags.h"

namespace falconer::cli {

void add_plan(CLI::App& app) {
  auto options = std::make_shared<FinetuneOptions>();
  add_finetune_flags(app, *options);
  app.callback([options] { std::cout << plan(*options); });
}

}  // namespace falconer::cli
