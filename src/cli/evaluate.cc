// falconer evaluate
#include <nlohmann/json.hpp>

#include "base/json_text.h"
#include "cli/command.h"
#include "cli/print.h"
#include "falconer/use.h"

namespace falconer::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Answers are shown on one line.
std::string one_line(std::string text) {
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2)
    text.replace(at, 1, "\\n");
  return text;
}

void show(const EvaluateReport& report, size_t i) {
  const EvaluatedRow& asked = report.models.front().rows[i];
  std::string text = "  question  " + one_line(asked.instruction) + "\n";
  if (!asked.input.empty()) text += "  about     " + one_line(asked.input) + "\n";
  text += "  expected  " + one_line(asked.expected) + "\n";
  for (const EvaluatedModel& model : report.models) {
    const EvaluatedRow& row = model.rows[i];
    text += "  answer    " + one_line(row.answer) + (row.exact ? "   (right)" : "") +
            (report.models.size() > 1 ? "   [" + model.name + "]" : "") + "\n";
  }
  print_result(text + "\n");
}

Json json_of(const Estimate& of) { return {{"mean", of.mean}, {"low", of.low}, {"high", of.high}}; }

Json json_of(const EvaluateReport& report, const EvaluatedModel& model) {
  Json json = {{"name", model.name}};
  if (!report.metrics.empty()) json["exact"] = model.exact;
  for (size_t i = 0; i < report.metrics.size(); ++i) {
    Json& metric = json["metrics"][report.metrics[i]] = json_of(model.estimates[i]);
    if (!model.differences.empty()) metric["difference"] = json_of(model.differences[i]);
  }
  if (const auto& of = model.perplexity)
    json["perplexity"] = {{"perplexity", of->perplexity},
                          {"loss", of->loss},
                          {"bits_per_byte", of->bits_per_byte},
                          {"bytes", of->bytes},
                          {"tokens", of->tokens},
                          {"predicted", of->predicted},
                          {"window", of->window},
                          {"stride", of->stride}};
  return json;
}

void print_json(const EvaluateReport& report, int64_t shown) {
  const EvaluatedModel& first = report.models.front();
  const auto rows = std::ssize(first.rows);
  Json json = Json::object();
  if (rows > 0)
    json = {{"rows", rows},
            {"exact", first.exact},
            {"share", static_cast<double>(first.exact) / static_cast<double>(rows)}};
  for (const EvaluatedModel& model : report.models) {
    json["models"].push_back(json_of(report, model));
    for (int64_t i = 0; i < std::min<int64_t>(shown, rows); ++i) {
      const EvaluatedRow& row = model.rows[static_cast<size_t>(i)];
      Json said = {{"instruction", row.instruction},
                   {"input", row.input},
                   {"expected", row.expected},
                   {"answer", row.answer},
                   {"exact", row.exact}};
      if (report.models.size() > 1) said["model"] = model.name;
      json["shown"].push_back(std::move(said));
    }
  }
  print_result(json_text(json, 2) + "\n");
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
    const auto rows = std::ssize(report.models.front().rows);
    for (int64_t i = 0; i < std::min<int64_t>(*rows_shown, rows); ++i)
      show(report, static_cast<size_t>(i));
    print_result(report.text);
  });
}

}  // namespace falconer::cli
