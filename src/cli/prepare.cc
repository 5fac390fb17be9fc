// falconer prepare
#include <memory>

#include "cli/print.h"
#include "falconer/data.h"

namespace falconer::cli {

void add_prepare(Command& command) {
  auto options = std::make_shared<PrepareOptions>();
  add_settings(command, settings_of(*options));
  auto json = std::make_shared<bool>(false);
  add_json(command, *json);
  command.does([options, json] { print(prepare(*options), *json); });
}

}  // namespace falconer::cli
