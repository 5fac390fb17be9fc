// falconer verify RUN
#include <memory>

#include "cli/print.h"
#include "falconer/error.h"
#include "falconer/watch.h"

namespace falconer::cli {

void add_verify(Command& command) {
  auto options = std::make_shared<VerifyOptions>();
  auto json = std::make_shared<bool>(false);
  add_settings(command, settings_of(*options));
  command.add("--json", json.get(), "one JSON array instead of a table");
  command.does([options, json] {
    const VerifyReport report = verify(*options);
    print(report, *json);
    if (!report.ok) throw Error(options->folder + ": something is wrong, as said above");
  });
}

}  // namespace falconer::cli
