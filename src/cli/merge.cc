// falconer merge
#include <iostream>

#include "cli/command.h"
#include "falconer/falconer.h"

namespace falconer::cli {

void add_merge(CLI::App& app) {
  auto options = std::make_shared<MergeOptions>();
  add_checkpoint(app, options->checkpoint);
  add_adapter(app, options->adapter)->required();
  app.add_option("--out", options->out, "new model folder")->required();
  app.add_flag("--verify", options->verify, "compare logits before and after");
  app.callback([options] { std::cout << merge(*options); });
}

}  // namespace falconer::cli
