#include "api/measure/evaluate_tables.h"

#include <fmt/format.h>

#include "base/plural.h"
#include "report/table.h"

namespace falconer {
namespace {

const char* metric_title(const std::string& metric) {
  if (metric == "exact") return "exact match";
  if (metric == "f1") return "F1";
  if (metric == "rouge_l") return "ROUGE-L";
  return metric == "acc" ? "right option" : "right option, by length";
}

std::string interval(const Estimate& of, bool sign) {
  return sign ? fmt::format("{:+.1f} to {:+.1f}", 100 * of.low, 100 * of.high)
              : fmt::format("{:.1f} to {:.1f}", 100 * of.low, 100 * of.high);
}

/// A line for each metric of each model.
Table metrics_table(const EvaluateReport& report) {
  const bool several = report.models.size() > 1;
  Table table;
  if (several) table.columns.push_back({.title = "model"});
  table.columns.push_back({.title = "metric"});
  table.columns.push_back({.title = "%", .number = true});
  table.columns.push_back({.title = "95 % interval", .number = true});
  if (several) {
    table.columns.push_back({.title = "to " + report.models.front().name, .number = true});
    table.columns.push_back({.title = "95 % interval", .number = true});
  }
  for (size_t i = 0; i < report.metrics.size(); ++i)
    for (const EvaluatedModel& model : report.models) {
      std::vector<std::string> row;
      if (several) row.push_back(model.name);
      row.push_back(metric_title(report.metrics[i]));
      row.push_back(fmt::format("{:.1f}", 100 * model.estimates[i].mean));
      row.push_back(interval(model.estimates[i], false));
      if (several && model.differences.empty()) row.insert(row.end(), {"-", "-"});
      if (several && !model.differences.empty()) {
        row.push_back(fmt::format("{:+.1f}", 100 * model.differences[i].mean));
        row.push_back(interval(model.differences[i], true));
      }
      table.rows.push_back(std::move(row));
    }
  return table;
}

Table perplexity_table(const EvaluateReport& report) {
  Table table;
  if (report.models.size() > 1) table.columns.push_back({.title = "model"});
  for (const char* title : {"perplexity", "loss", "bits per byte", "tokens", "bytes"})
    table.columns.push_back({.title = title, .number = true});
  for (const EvaluatedModel& model : report.models) {
    const TextPerplexity& of = *model.perplexity;
    std::vector<std::string> row;
    if (report.models.size() > 1) row.push_back(model.name);
    for (const std::string& cell :
         {fmt::format("{:.4g}", of.perplexity), fmt::format("{:.4f}", of.loss),
          fmt::format("{:.4f}", of.bits_per_byte), grouped_digits(of.tokens),
          grouped_digits(of.bytes)})
      row.push_back(cell);
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace

std::string tables_of(const EvaluateReport& report) {
  const EvaluatedModel& first = report.models.front();
  std::string text;
  if (!report.metrics.empty() && report.models.size() == 1)
    text = fmt::format("{}: {} of {} {}, {:.1f} %\n", metric_title(report.metrics.front()),
                       first.exact, first.rows.size(), plural(first.rows.size(), "row"),
                       100 * first.estimates.front().mean);
  if (!report.metrics.empty()) text += text_table(metrics_table(report));
  if (!first.perplexity) return text;
  return text + (text.empty() ? "" : "\n") + text_table(perplexity_table(report)) +
         fmt::format("(windows of {} tokens, a new one every {})\n", first.perplexity->window,
                     first.perplexity->stride);
}

}  // namespace falconer
