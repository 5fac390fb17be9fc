// falconer inspect DIR or FILE.gguf
#include "cli/print.h"
#include "falconer/checkpoint.h"

namespace falconer::cli {

void add_inspect(CLI::App& app) {
  struct Flags {
    std::string checkpoint;
    bool json = false;
  };
  auto flags = std::make_shared<Flags>();
  add_checkpoint(app, flags->checkpoint);
  add_json(app, flags->json);
  app.callback([flags] { print(inspect(flags->checkpoint), flags->json); });
}

}  // namespace falconer::cli
