// falconer tokenize
#include "cli/command.h"
#include "falconer/data.h"

namespace falconer::cli {

void add_tokenize(Command& command) {
  auto options = std::make_shared<TokenizeOptions>();
  options->input = options->output = "-";
  add_settings(command, settings_of(*options));
  command.does([options] {
    if (options->chat && options->decode) throw Error("give one of --chat and --decode", 2);
    tokenize(*options);
  });
}

}  // namespace falconer::cli
