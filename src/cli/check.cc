// falconer check
#include <memory>

#include "cli/print.h"
#include "falconer/data.h"

namespace falconer::cli {

void add_check(Command& command) {
  auto o = std::make_shared<CheckOptions>();
  add_settings(command, settings_of(*o));
  command.does([o] {
    const CheckReport report = check(*o);
    print(report, o->json);
    if (!report.failure.empty()) throw Error(report.failure);
  });
}

}  // namespace falconer::cli
