// What a run writes down as it goes: metrics.jsonl, metrics.csv, and a line or a bar for people.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace falconer {

/// One optimizer step. The loss is the one before the step; tokens are the step's input tokens
/// without padding.
struct StepMetrics {
  int64_t step = 0;
  double loss = 0, lr = 0, grad_norm = 0;
  int64_t tokens = 0;
  double tokens_per_second = 0, seconds = 0;
  int64_t peak_rss_bytes = 0;
};

/// One evaluation, after `step`.
struct EvalMetrics {
  int64_t step = 0;
  double loss = 0;
  int64_t tokens = 0;
  double seconds = 0;
};

/// Appends to metrics.jsonl and metrics.csv in a run's folder, and to a file for TensorBoard. Rows
/// are whole lines, flushed one by one.
class MetricsLog {
 public:
  /// Drops rows of steps after `after_step`: a resumed run writes them again. -1: drops all.
  MetricsLog(const std::filesystem::path& folder, int64_t after_step, bool tensorboard);
  ~MetricsLog();
  void write(const StepMetrics& row);
  void write(const EvalMetrics& row);
  /// What was written is on the disk: a checkpoint follows.
  void sync();

 private:
  struct Files;
  std::unique_ptr<Files> files_;
};

/// What a bar on a terminal says: the loss and the speed of the last dozen steps or so, because
/// those of one step jump.
struct BarFacts {
  int64_t step = 0, total = 0;
  double loss = 0, lr = 0, tokens_per_second = 0, seconds_left = 0;
};
/// One line of less than `columns`: what matters most where not all of it fits.
std::string bar_line(const BarFacts& facts, size_t columns);

/// A bar on a terminal that can redraw a line, plain lines elsewhere; both on stderr.
class Progress {
 public:
  Progress(int64_t total_steps, int64_t first_step);
  ~Progress() { pause(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void show(const StepMetrics& row);
  /// Clears the bar, so that ordinary lines can be written.
  void pause();

 private:
  bool terminal_;
  int64_t total_, first_;
  double start_, last_line_ = 0;
  bool drawn_ = false;
  double weight_ = 0, loss_ = 0, tokens_ = 0, seconds_ = 0;  // sums that fade
};

}  // namespace falconer
