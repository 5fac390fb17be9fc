// falconer score
#include "cli/command.h"
#include "falconer/use.h"

namespace falconer::cli {

void add_score(Command& command) {
  auto options = std::make_shared<ScoreOptions>();
  options->output = "-";
  add_settings(command, settings_of(*options));
  command.does([options] { score(*options); });
}

}  // namespace falconer::cli
