// falconer runs DIR
#include <memory>

#include "cli/print.h"
#include "falconer/watch.h"

namespace falconer::cli {

void add_runs(Command& command) {
  struct RunsFlags {
    std::string folder = ".", sort = "name";
    bool json = false;
  };
  auto flags = std::make_shared<RunsFlags>();
  command.add("folder", &flags->folder, "folder with runs in it",
              {.shows_default = true, .kind = ValueKind::kFolder});
  command.add("--sort", &flags->sort,
              "name, started, loss, eval-loss, speed, memory or time; the best first",
              {.shows_default = true,
               .offers = {"name", "started", "loss", "eval-loss", "speed", "memory", "time"}});
  command.add("--json", &flags->json, "one JSON array instead of a table");
  command.does([flags] {
    const RunsReport report = list_runs(flags->folder, flags->sort);
    print(report, flags->json);
  });
}

}  // namespace falconer::cli
