// falconer quantize
#include <memory>

#include "cli/print.h"
#include "falconer/checkpoint.h"
#include "falconer/process.h"

namespace falconer::cli {

void add_quantize(Command& command) {
  auto options = std::make_shared<QuantizeOptions>();
  add_settings(command, settings_of(*options));
  auto json = std::make_shared<bool>(false);
  add_json(command, *json);
  command.does([options, json] {
    handle_interrupts();
    print(quantize(*options), *json);
  });
}

}  // namespace falconer::cli
