// falconer evaluate
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/plural.h"
#include "cli/command.h"
#include "cli/print.h"
#include "falconer/use.h"

namespace falconer::cli {
namespace {

/// Answers are shown on one line.
std::string one_line(std::string text) {
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2)
    text.replace(at, 1, "\\n");
  return text;
}

void show(const EvaluatedRow& row) {
  std::string text = "  question  " + one_line(row.instruction) + "\n";
  if (!row.input.empty()) text += "  about     " + one_line(row.input) + "\n";
  text += "  expected  " + one_line(row.expected) + "\n  answer    " + one_line(row.answer);
  print_result(text + (row.exact ? "   (right)" : "") + "\n\n");
}

void print_json(const EvaluateReport& report, int64_t shown) {
  const auto rows = std::ssize(report.rows);
  nlohmann::ordered_json json = {
      {"rows", rows},
      {"exact", report.exact},
      {"share", static_cast<double>(report.exact) / static_cast<double>(rows)}};
  for (int64_t i = 0; i < std::min<int64_t>(shown, rows); ++i) {
    const EvaluatedRow& row = report.rows[static_cast<size_t>(i)];
    json["shown"].push_back({{"instruction", row.instruction},
                             {"input", row.input},
                             {"expected", row.expected},
                             {"answer", row.answer},
                             {"exact", row.exact}});
  }
  print_result(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

}  // namespace

void add_evaluate(Command& command) {
  auto options = std::make_shared<EvaluateOptions>();
  auto rows_shown = std::make_shared<int64_t>(0);
  const std::vector<Setting> settings = settings_of(*options);
  add_settings(command, settings, "output");
  command.add("--show", rows_shown.get(), "print so many rows", {.shows_default = true});
  add_settings(command, settings);
  auto json = std::make_shared<bool>(false);
  add_json(command, *json);
  command.does([options, rows_shown, json] {
    if (*rows_shown < 0)
      throw Error("--show is " + std::to_string(*rows_shown) + "; expected 0 or more", 2);
    const EvaluateReport report = evaluate(*options);
    if (*json) return print_json(report, *rows_shown);
    for (int64_t i = 0; i < std::min<int64_t>(*rows_shown, std::ssize(report.rows)); ++i)
      show(report.rows[static_cast<size_t>(i)]);
    const auto asked = static_cast<double>(report.rows.size());
    print_result(fmt::format("exact match: {} of {} {}, {:.1f} %\n", report.exact,
                             report.rows.size(), plural(report.rows.size(), "row"),
                             100.0 * static_cast<double>(report.exact) / asked));
  });
}

}  // namespace falconer::cli
