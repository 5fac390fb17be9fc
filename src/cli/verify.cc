// falconer verify RUN
#include <memory>

#include "cli/print.h"
#include "falconer/error.h"
#include "falconer/watch.h"

namespace falconer::cli {

void add_verify(CLI::App& app) {
  auto options = std::make_shared<VerifyOptions>();
  auto json = std::make_shared<bool>(false);
  app.add_option("folder", options->folder, "a run, or an adapter or model that it saved")
      ->required();
  app.add_option("--checkpoint,--checkpoint-dir", options->checkpoint,
                 "the base that it was trained on (default: as recorded)");
  app.add_option("--data", options->data, "the rows that it was trained on (default: as recorded)");
  app.add_flag("--json", *json, "one JSON array instead of a table");
  app.callback([options, json] {
    const VerifyReport report = verify(*options);
    print(report, *json);
    if (!report.ok) throw Error(options->folder + ": something is wrong, as said above");
  });
}

}  // namespace falconer::cli
