// falconer runs DIR
#include <memory>

#include "cli/print.h"
#include "falconer/watch.h"

namespace falconer::cli {

void add_runs(CLI::App& app) {
  struct Flags {
    std::string folder = ".", sort = "name";
    bool json = false;
  };
  auto flags = std::make_shared<Flags>();
  app.add_option("folder", flags->folder, "folder with runs in it")->capture_default_str();
  app.add_option("--sort", flags->sort,
                 "name, started, loss, eval-loss, speed, memory or time; the best first")
      ->capture_default_str();
  app.add_flag("--json", flags->json, "one JSON array instead of a table");
  app.callback([flags] {
    const RunsReport report = list_runs(flags->folder, flags->sort);
    print(report, flags->json);
  });
}

}  // namespace falconer::cli
