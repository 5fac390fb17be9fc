// falconer selftest
#include "falconer/selftest.h"

#include <memory>

#include "cli/print.h"

namespace falconer::cli {

void add_selftest(Command& command) {
  struct SelftestFlags {
    SelfTestOptions options;
    bool json = false, numbers = false;
  };
  auto flags = std::make_shared<SelftestFlags>();
  command.add("--only", &flags->options.only,
              "one line: scalar, an instruction set as AVX2, or a device as cuda:0 (default: all "
              "that this machine has)");
  command.add("--json", &flags->json, "one JSON object instead of a table");
  command.add("--numbers", &flags->numbers, "print the built-in numbers as JSON and test nothing");
  command.does([flags, &command] {
    if (flags->numbers) {
      print_result(selftest_numbers());
      return;
    }
    flags->options.threads = threads_of(command);
    const SelfTestReport report = selftest(flags->options);
    print(report, flags->json);
    if (!report.passed)
      throw Error(
          "this machine does not compute what it should: report the table above, and keep to a "
          "line "
          "that is ok (FALCONER_DEVICE, ONEDNN_MAX_CPU_ISA)");
  });
}

}  // namespace falconer::cli
