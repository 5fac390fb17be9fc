#include "report/comparison.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/plural.h"
#include "report/article.h"
#include "report/comparison_charts.h"
#include "report/table.h"

namespace falconer {
namespace {

std::string speed_text(const std::optional<MeasuredSpeed>& speed) {
  return speed ? rate_text(speed->tokens_per_second) : "-";
}
std::string memory_text(const std::optional<MeasuredSpeed>& speed) {
  return speed ? bytes_text(speed->peak_bytes) : "-";
}
std::string loss_text(const std::optional<double>& loss) {
  return loss ? fmt::format("{:.4f}", *loss) : "-";
}
std::string exact_text(const Comparison& c, const std::optional<int64_t>& exact) {
  return exact ? fmt::format("{} of {}", grouped_digits(*exact), grouped_digits(c.asked_rows))
               : "-";
}
std::string share_text(const Comparison& c, int64_t trainable) {
  if (c.parameters <= 0) return "-";
  return fmt::format("{:.3g} %",
                     100.0 * static_cast<double>(trainable) / static_cast<double>(c.parameters));
}

Table training_table(const Comparison& c) {
  Table table;
  table.columns = {{"method"},
                   {"training time", true},
                   {"tokens/s", true},
                   {"peak memory", true},
                   {"trainable", true},
                   {"of the model", true},
                   {"held-out loss", true},
                   {"exactly right", true}};
  table.rows.push_back({"before finetuning", "-", "-", "-", "-", "-",
                        loss_text(c.base_held_out_loss), exact_text(c, c.base_exact)});
  for (const ComparedRun& run : c.runs)
    if (run.left_out.empty())
      table.rows.push_back({run.name, time_text(run.train_seconds),
                            rate_text(run.tokens_per_second()), bytes_text(run.train_peak_bytes),
                            grouped_digits(run.trainable), share_text(c, run.trainable),
                            loss_text(run.held_out_loss), exact_text(c, run.exact)});
  return table;
}

Table answering_table(const Comparison& c) {
  Table table;
  table.columns = {{"model"},
                   {"answer, tokens/s", true},
                   {"memory", true},
                   {"merged, tokens/s", true},
                   {"memory", true}};
  table.rows.push_back({"base", speed_text(c.base_speed), memory_text(c.base_speed), "-", "-"});
  for (const ComparedRun& run : c.runs)
    if (run.left_out.empty())
      table.rows.push_back({run.name, speed_text(run.speed), memory_text(run.speed),
                            speed_text(run.merged_speed), memory_text(run.merged_speed)});
  return table;
}

// The first run of a method that has figures.
const ComparedRun* run_of(const Comparison& c, std::string_view method) {
  for (const ComparedRun& run : c.runs)
    if (run.method == method && run.left_out.empty()) return &run;
  return nullptr;
}

double rows_per_second(const ComparedRun& run) {
  return run.train_seconds > 0 ? static_cast<double>(run.rows) / run.train_seconds : 0;
}

// The article's figures beside ours, as ratios to LoRA: another machine, another model, but the same
// comparison. Empty where LoRA was not run.
Table article_table(const Comparison& c) {
  Table table;
  const ComparedRun* lora = run_of(c, "lora");
  if (lora == nullptr) return table;
  const ArticleRun& theirs = *article_run("lora");
  table.columns = {{"method"},     {"trainable, article's", true},
                   {"here", true}, {"rows/s to LoRA's, article's", true},
                   {"here", true}, {"memory to LoRA's, article's", true},
                   {"here", true}, {"answer speed to LoRA's, article's", true},
                   {"here", true}};
  const auto ratio = [](double a, double b) {
    return a > 0 && b > 0 ? fmt::format("{:.2f}", a / b) : "-";
  };
  for (const ArticleRun& article : kArticleRuns) {
    const ComparedRun* run = run_of(c, article.method);
    if (run == nullptr) continue;
    const bool several = article.gpus > 1;
    table.rows.push_back({run->name, grouped_digits(article.trainable),
                          grouped_digits(run->trainable),
                          ratio(article.rows_per_second / article.gpus, theirs.rows_per_second) +
                              (several ? fmt::format(" (a GPU of {})", article.gpus) : ""),
                          ratio(rows_per_second(*run), rows_per_second(*lora)),
                          ratio(article.memory_gb, theirs.memory_gb) + (several ? " (a GPU)" : ""),
                          ratio(static_cast<double>(run->train_peak_bytes),
                                static_cast<double>(lora->train_peak_bytes)),
                          ratio(article.tokens_per_second, theirs.tokens_per_second),
                          run->speed && lora->speed
                              ? ratio(run->speed->tokens_per_second, lora->speed->tokens_per_second)
                              : "-"});
  }
  return table;
}

Table settings_table(const Comparison& c) {
  Table table;
  table.columns = {
      {"method"}, {"settings"}, {"steps", true}, {"rows seen", true}, {"tokens", true}};
  for (const ComparedRun& run : c.runs)
    if (run.left_out.empty())
      table.rows.push_back({run.name, run.settings, grouped_digits(run.steps),
                            grouped_digits(run.rows), grouped_digits(run.tokens)});
  return table;
}

const char* work_text(const Comparison& c) {
  return same_work(c)
             ? "Every method saw the same rows in the same order, in steps of the same size."
             : "The methods did not see the same rows in as many steps: compare their times and "
               "losses with that in mind.";
}

// What a reader must know to judge the figures; one sentence each.
std::vector<std::string> facts_of(const Comparison& c) {
  return {fmt::format("Model: {} ({}, {} {}, width {}, {} parameters) in {}.", c.checkpoint,
                      c.family, c.layers, plural(c.layers, "layer"), c.width,
                      grouped_digits(c.parameters), c.precision),
          fmt::format("Data: {}, {} {} to train on, {} held out.", c.data, grouped_digits(c.rows),
                      plural(c.rows, "row"), grouped_digits(c.held_out_rows)),
          fmt::format("Machine: {}.", c.machine),
          fmt::format("Falconer {}, {}.", c.program, c.date), work_text(c)};
}

std::vector<std::string> notes_of(const Comparison& c) {
  std::vector<std::string> notes = {
      "Training time is the sum of the optimizer steps; loading, evaluating and saving are apart.",
      "Memory is the most that a process had resident; each figure comes from a process of its "
      "own. "
      "Pages of the checkpoint's file that were read count, and the system can take them back.",
      fmt::format(
          "An answer's speed is the median of several: {} {} behind a prompt of {}, one at a time, "
          "always the most likely token.",
          c.new_tokens, plural(c.new_tokens, "token"), c.prompt_tokens),
      "Held-out loss is the mean over all labelled tokens of the held-out rows, after the last "
      "step. "
      "Exactly right: the answer is the expected text, white space at its ends apart."};
  for (const ComparedRun& run : c.runs) {
    if (!run.left_out.empty()) notes.push_back(fmt::format("{}: {}", run.name, run.left_out));
    if (!run.merged_note.empty())
      notes.push_back(fmt::format("{}, merged: {}", run.name, run.merged_note));
  }
  return notes;
}

constexpr const char* kArticleNote =
    "The article's figures are for Falcon-7B in bf16 on Alpaca, 52,000 rows one at a time on one "
    "A100 (full: six A100, 300,000 rows); Sebastian Raschka, \"Finetuning Falcon LLMs More "
    "Efficiently With LoRA and Adapters\", June 2023. It loaded 14.59 GB to answer with each of "
    "its "
    "three adapters, and merged LoRA answered at more than 28 tokens a second, 1.31 times its "
    "unmerged 21.33.";

constexpr const char* kPageStyle =
    "*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);"
    "font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif}"
    "main{max-width:1080px;margin:0 auto;padding:24px 16px "
    "64px}h1{font-size:1.7rem;line-height:1.25;"
    "margin:0 0 .5rem}h2{font-size:1.2rem;margin:2.2rem 0 .6rem}"
    "ul.facts{padding:0;margin:0 0 1.5rem;list-style:none;color:var(--soft)}"
    ".scroll{overflow-x:auto;margin:0 0 "
    "1rem}.charts+.scroll{margin-top:1.2rem}table{border-collapse:collapse;font-variant-numeric:"
    "tabular-nums;"
    "font-size:.92rem;min-width:100%}caption{text-align:left;color:var(--soft);padding:0 0 .4rem}"
    "th,td{padding:.4rem .7rem;border-bottom:1px solid var(--rule);text-align:left;vertical-align:"
    "top}th{font-weight:600}th.number,td.number{text-align:right;white-space:nowrap}"
    "thead th{color:var(--soft);font-weight:500;vertical-align:bottom;white-space:normal!important}"
    "tbody th{white-space:nowrap}"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:"
    "20px}"
    ".charts figure{margin:0;border:1px solid var(--rule);border-radius:8px;padding:8px 4px}"
    ".charts svg{display:block;width:100%;height:auto}"
    "ul.notes,p.note{color:var(--soft);font-size:.92rem;max-width:70ch}";

std::string figure(const std::string& svg) { return "<figure>" + svg + "</figure>\n"; }

std::string bars(const BarChart& chart) {
  return chart.bars.empty() ? "" : figure(bar_chart_svg(chart));
}

std::string list_of(const std::vector<std::string>& items, const char* kind) {
  std::string html = fmt::format("<ul class=\"{}\">\n", kind);
  for (const std::string& item : items) html += "<li>" + html_escaped(item) + "</li>\n";
  return html + "</ul>\n";
}

std::string charts_of(const Comparison& c) {
  std::string html = "<h2>Training</h2>\n<div class=\"charts\">\n";
  html += bars(time_chart(c)) + bars(training_speed_chart(c)) + bars(memory_chart(c)) +
          figure(magnitude_chart_svg(trainable_chart(c)));
  html += "</div>\n<h2>What was learned</h2>\n<div class=\"charts\">\n";
  html += figure(magnitude_chart_svg(held_out_chart(c)));
  if (c.asked_rows > 0) html += bars(exact_chart(c));
  html += figure(line_chart_svg(loss_curves(c))) + figure(line_chart_svg(held_out_curves(c)));
  if (c.base_speed)
    html += "</div>\n<h2>Answering</h2>\n<div class=\"charts\">\n" + bars(speed_chart(c)) +
            bars(answer_memory_chart(c));
  return html + "</div>\n";
}

}  // namespace

bool same_work(const Comparison& c) {
  const ComparedRun* first = nullptr;
  for (const ComparedRun& run : c.runs) {
    if (!run.left_out.empty()) continue;
    if (first != nullptr && (run.steps != first->steps || run.rows != first->rows)) return false;
    first = &run;
  }
  return true;
}

std::string comparison_markdown(const Comparison& c) {
  std::string text = "# Finetuning methods, compared\n\n";
  for (const std::string& fact : facts_of(c)) text += "- " + markdown_escaped(fact) + "\n";
  text += "\n## Training\n\n" + markdown_table(training_table(c));
  if (c.base_speed) text += "\n## Answering\n\n" + markdown_table(answering_table(c));
  text += "\n## Settings\n\n" + markdown_table(settings_table(c));
  if (const Table article = article_table(c); !article.rows.empty())
    text += "\n## Beside the article\n\n" + markdown_table(article) + "\n" +
            markdown_escaped(kArticleNote) + "\n";
  text += "\n## How it was measured\n\n";
  for (const std::string& note : notes_of(c)) text += "- " + markdown_escaped(note) + "\n";
  return text;
}

std::string comparison_page(const Comparison& c) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<title>Finetuning methods compared: {}</title>\n<style>\n{}{}\n</style>\n</head>\n<body>\n"
      "<main>\n<h1>Finetuning methods, compared</h1>\n",
      html_escaped(c.checkpoint), chart_style(), kPageStyle);
  html += list_of(facts_of(c), "facts");
  html += html_table(training_table(c), "");
  html += charts_of(c);
  if (c.base_speed) html += html_table(answering_table(c), "");
  if (const Table article = article_table(c); !article.rows.empty())
    html += "<h2>Beside the article</h2>\n" + html_table(article, "") + "<p class=\"note\">" +
            html_escaped(kArticleNote) + "</p>\n";
  html += "<h2>Settings</h2>\n" + html_table(settings_table(c), "");
  html += "<h2>How it was measured</h2>\n" + list_of(notes_of(c), "notes");
  return html + "</main>\n</body>\n</html>\n";
}

std::vector<NamedChart> comparison_charts(const Comparison& c) {
  std::vector<NamedChart> charts = {
      {"training-time", bar_chart_svg(time_chart(c), true)},
      {"training-speed", bar_chart_svg(training_speed_chart(c), true)},
      {"training-memory", bar_chart_svg(memory_chart(c), true)},
      {"trainable", magnitude_chart_svg(trainable_chart(c), true)},
      {"held-out-loss", magnitude_chart_svg(held_out_chart(c), true)},
      {"training-curves", line_chart_svg(loss_curves(c), true)},
      {"held-out-curves", line_chart_svg(held_out_curves(c), true)}};
  if (c.asked_rows > 0) charts.push_back({"exact", bar_chart_svg(exact_chart(c), true)});
  if (c.base_speed) {
    charts.push_back({"answer-speed", bar_chart_svg(speed_chart(c), true)});
    charts.push_back({"answer-memory", bar_chart_svg(answer_memory_chart(c), true)});
  }
  return charts;
}

}  // namespace falconer
