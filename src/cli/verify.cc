// falconer verify RUN
#include <memory>

#include "cli/print.h"
#include "falconer/error.h"
#include "falconer/watch.h"

namespace falconer::cli {

void add_verify(Command& command) {
  auto options = std::make_shared<VerifyOptions>();
  auto json = std::make_shared<bool>(false);
  command.add("folder", &options->folder, "a run, or an adapter or model that it saved",
              {.required = true, .kind = ValueKind::kFolder});
  command.add("--checkpoint,--checkpoint-dir", &options->checkpoint,
              "the base that it was trained on (default: as recorded)",
              {.kind = ValueKind::kModel});
  command.add("--data", &options->data, "the rows that it was trained on (default: as recorded)",
              {.kind = ValueKind::kData});
  command.add("--json", json.get(), "one JSON array instead of a table");
  command.does([options, json] {
    const VerifyReport report = verify(*options);
    print(report, *json);
    if (!report.ok) throw Error(options->folder + ": something is wrong, as said above");
  });
}

}  // namespace falconer::cli
