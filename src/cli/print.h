// Results on stdout.
#pragma once

#include <string>

#include "base/streams.h"
#include "base/terminal.h"
#include "cli/command.h"

namespace falconer::cli {

/// Text for people, laid out for stdout; or the JSON of the same where that was asked for.
template <class Report>
void print(const Report& report, bool json) {
  print_result(json ? report.json : wrapped(report.text, output_look().columns));
}

inline void add_json(Command& command, bool& json) {
  command.add("--json", &json, "one JSON object instead of text");
}

}  // namespace falconer::cli
