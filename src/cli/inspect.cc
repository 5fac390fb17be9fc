// falconer inspect DIR or FILE.gguf
#include "cli/print.h"
#include "falconer/checkpoint.h"

namespace falconer::cli {

void add_inspect(Command& command) {
  struct InspectFlags {
    std::string checkpoint;
    bool json = false;
  };
  auto flags = std::make_shared<InspectFlags>();
  add_checkpoint(command, flags->checkpoint);
  add_json(command, flags->json);
  command.does([flags] { print(inspect(flags->checkpoint), flags->json); });
}

}  // namespace falconer::cli
