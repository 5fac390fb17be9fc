// The report of `falconer compare`: the methods on the same rows, as Markdown, charts and one page.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/svg.h"

namespace falconer {

/// Answering one prompt: speed and the most memory of the process that did it.
struct MeasuredSpeed {
  double prompt_tokens_per_second = 0, tokens_per_second = 0;
  int64_t peak_bytes = 0;
};

struct ComparedRun {
  std::string name, method;
  std::string settings;  // what sets it apart: "lr 3e-4, rank 8 on q,v"
  std::string left_out;  // why there are no figures; empty: there are
  int64_t trainable = 0, steps = 0, rows = 0, tokens = 0;
  double train_seconds = 0;
  int64_t train_peak_bytes = 0;
  std::optional<double> held_out_loss, best_held_out_loss;
  std::optional<int64_t> exact;
  std::optional<MeasuredSpeed> speed, merged_speed;
  std::string merged_note;  // why there is no merged speed, or what of it stayed an adapter
  std::vector<double> steps_x, losses;              // of each step
  std::vector<double> held_out_x, held_out_losses;  // of each evaluation

  double tokens_per_second() const {
    return train_seconds > 0 ? static_cast<double>(tokens) / train_seconds : 0;
  }
};

struct Comparison {
  std::string checkpoint, data;  // as they were named
  std::string family;            // "falcon"
  int64_t parameters = 0, layers = 0, width = 0;
  int64_t rows = 0, held_out_rows = 0, asked_rows = 0;
  std::string precision, machine, program;  // machine: processor and threads
  std::string date;
  int64_t prompt_tokens = 0, new_tokens = 0;  // of the measured answer
  std::optional<double> base_held_out_loss;
  std::optional<int64_t> base_exact;
  std::optional<MeasuredSpeed> base_speed;
  std::vector<ComparedRun> runs;
};

/// Whether every run that has figures saw as many rows in as many steps as the others.
bool same_work(const Comparison& comparison);

/// The table of all figures, for a README.
std::string comparison_markdown(const Comparison& comparison);

/// One HTML page with everything in it: no script, no network.
std::string comparison_page(const Comparison& comparison);

/// Every figure, for other programs.
std::string comparison_json(const Comparison& comparison);

/// A chart as a file of its own.
struct NamedChart {
  std::string name;  // "held-out-loss"
  std::string svg;
};
std::vector<NamedChart> comparison_charts(const Comparison& comparison);

}  // namespace falconer
