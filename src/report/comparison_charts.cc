#include "report/comparison_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/terminal.h"
#include "report/table.h"

namespace falconer {
namespace {

constexpr int kBaseColour = 4;

// The base is grey; runs take the other colours in turn.
int colour_of(size_t run) { return static_cast<int>(run % 4); }

// A bar for every run with figures that has this one.
template <class Value>
std::vector<Bar> bars_of(const Comparison& c, const Value& value) {
  std::vector<Bar> bars;
  for (size_t i = 0; i < c.runs.size(); ++i) {
    if (!c.runs[i].left_out.empty()) continue;
    Bar bar{.label = c.runs[i].name, .value = 0, .text = "", .colour = colour_of(i)};
    if (value(c.runs[i], bar)) bars.push_back(std::move(bar));
  }
  return bars;
}

// The base's bar, then each run's as an adapter and merged.
template <class Value>
std::vector<Bar> answer_bars(const Comparison& c, const Value& value) {
  std::vector<Bar> bars;
  if (c.base_speed) {
    bars.push_back({.label = "base", .value = 0, .text = "", .colour = kBaseColour});
    value(*c.base_speed, bars.back());
  }
  for (size_t i = 0; i < c.runs.size(); ++i) {
    const ComparedRun& run = c.runs[i];
    if (run.speed) {
      bars.push_back({.label = run.name, .value = 0, .text = "", .colour = colour_of(i)});
      value(*run.speed, bars.back());
    }
    if (!run.merged_speed) continue;
    bars.push_back({.label = run.name + ", merged",
                    .value = 0,
                    .text = "",
                    .colour = colour_of(i),
                    .pale = true});
    value(*run.merged_speed, bars.back());
  }
  return bars;
}

// The mean of each value and those before it within the window: single steps jump.
std::vector<double> smoothed(const std::vector<double>& values, size_t window) {
  std::vector<double> means;
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    sum += values[i];
    if (i >= window) sum -= values[i - window];
    means.push_back(sum / static_cast<double>(std::min(i + 1, window)));
  }
  return means;
}

// Whether the largest value hides the others where lengths are proportional.
bool differ_by_orders(double low, double high) { return low > 0 && high / low > 20; }

MagnitudeChart magnitudes(BarChart chart) {
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const Bar& bar : chart.bars) {
    low = std::min(low, bar.value);
    high = std::max(high, bar.value);
  }
  return {.bars = std::move(chart), .powers = differ_by_orders(low, high)};
}

void choose_scale(LineChart& chart) {
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const Line& line : chart.lines)
    for (const double value : line.y) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  chart.powers = differ_by_orders(low, high);
}

// At most so many points: a page stays small however long the run was.
void thin(Line& line, size_t most) {
  const size_t n = line.x.size();
  if (n <= most) return;
  Line thinned{.label = line.label, .x = {}, .y = {}, .colour = line.colour};
  for (size_t i = 0; i < most; ++i) {
    const size_t at = i * (n - 1) / (most - 1);
    thinned.x.push_back(line.x[at]);
    thinned.y.push_back(line.y[at]);
  }
  line = std::move(thinned);
}

}  // namespace

std::string time_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "-";
  if (seconds < 100) return fmt::format("{:.1f} s", seconds);
  return duration_text(seconds) + (seconds < 3599.5 ? " min" : " h");
}

std::string bytes_text(int64_t bytes) {
  const double b = static_cast<double>(bytes);
  return b >= 1e9 ? fmt::format("{:.2f} GB", b / 1e9) : fmt::format("{:.1f} MB", b / 1e6);
}

BarChart time_chart(const Comparison& c) {
  return {"Training time", bars_of(c, [](const ComparedRun& run, Bar& bar) {
            bar.value = run.train_seconds;
            bar.text = time_text(run.train_seconds);
            return run.train_seconds > 0;
          })};
}

BarChart training_speed_chart(const Comparison& c) {
  return {"Training speed, tokens a second", bars_of(c, [](const ComparedRun& run, Bar& bar) {
            bar.value = run.tokens_per_second();
            bar.text = rate_text(bar.value);
            return bar.value > 0;
          })};
}

std::string magnitude_chart_svg(const MagnitudeChart& chart, bool alone) {
  return chart.powers ? dot_chart_svg({chart.bars.title, chart.bars.bars}, alone)
                      : bar_chart_svg(chart.bars, alone);
}

std::string rate_text(double value) {
  return value >= 1000 ? grouped_digits(std::llround(value)) : fmt::format("{:.1f}", value);
}

BarChart memory_chart(const Comparison& c) {
  return {"Peak memory of training", bars_of(c, [](const ComparedRun& run, Bar& bar) {
            bar.value = static_cast<double>(run.train_peak_bytes);
            bar.text = bytes_text(run.train_peak_bytes);
            return run.train_peak_bytes > 0;
          })};
}

MagnitudeChart trainable_chart(const Comparison& c) {
  return magnitudes({"Trainable parameters", bars_of(c, [](const ComparedRun& run, Bar& bar) {
                       bar.value = static_cast<double>(run.trainable);
                       bar.text = grouped_digits(run.trainable);
                       return run.trainable > 0;
                     })});
}

BarChart speed_chart(const Comparison& c) {
  return {"Speed of answering, tokens a second",
          answer_bars(c, [](const MeasuredSpeed& speed, Bar& bar) {
            bar.value = speed.tokens_per_second;
            bar.text = rate_text(speed.tokens_per_second);
          })};
}

BarChart answer_memory_chart(const Comparison& c) {
  return {"Peak memory of answering", answer_bars(c, [](const MeasuredSpeed& speed, Bar& bar) {
            bar.value = static_cast<double>(speed.peak_bytes);
            bar.text = bytes_text(speed.peak_bytes);
          })};
}

MagnitudeChart held_out_chart(const Comparison& c) {
  BarChart chart{"Loss on held-out rows, nats a token", {}};
  if (c.base_held_out_loss)
    chart.bars.push_back({.label = "base",
                          .value = *c.base_held_out_loss,
                          .text = fmt::format("{:.4f}", *c.base_held_out_loss),
                          .colour = kBaseColour});
  for (Bar& bar : bars_of(c, [](const ComparedRun&run, Bar&b) {
         b.value = run.held_out_loss.value_or(0);
         b.text = fmt::format("{:.4f}", b.value);
         return run.held_out_loss.has_value();
       }))
    chart.bars.push_back(std::move(bar));
  return magnitudes(std::move(chart));
}

BarChart exact_chart(const Comparison& c) {
  BarChart chart{
      fmt::format("Exactly right, of {} held-out questions", grouped_digits(c.asked_rows)), {}};
  const auto share = [&](int64_t exact) {
    return c.asked_rows > 0 ? 100.0 * static_cast<double>(exact) / static_cast<double>(c.asked_rows)
                            : 0;
  };
  if (c.base_exact)
    chart.bars.push_back({.label = "base",
                          .value = share(*c.base_exact),
                          .text = fmt::format("{} ({:.1f} %)", *c.base_exact, share(*c.base_exact)),
                          .colour = kBaseColour});
  for (Bar& bar : bars_of(c, [&](const ComparedRun&run, Bar&b) {
         if (!run.exact) return false;
         b.value = share(*run.exact);
         b.text = fmt::format("{} ({:.1f} %)", *run.exact, b.value);
         return true;
       }))
    chart.bars.push_back(std::move(bar));
  return chart;
}

LineChart loss_curves(const Comparison& c) {
  size_t longest = 0;
  for (const ComparedRun& run : c.runs) longest = std::max(longest, run.losses.size());
  const size_t window = std::max<size_t>(1, longest / 50);
  LineChart chart{
      window > 1 ? fmt::format("Training loss, mean of {} steps", window) : "Training loss",
      "step",
      "nats a token",
      {}};
  for (size_t i = 0; i < c.runs.size(); ++i) {
    if (c.runs[i].losses.empty()) continue;
    chart.lines.push_back({.label = c.runs[i].name,
                           .x = c.runs[i].steps_x,
                           .y = smoothed(c.runs[i].losses, window),
                           .colour = colour_of(i)});
    thin(chart.lines.back(), 300);
  }
  choose_scale(chart);
  return chart;
}

LineChart held_out_curves(const Comparison& c) {
  LineChart chart{"Loss on held-out rows while training", "step", "nats a token", {}};
  for (size_t i = 0; i < c.runs.size(); ++i) {
    if (c.runs[i].held_out_losses.empty()) continue;
    chart.lines.push_back({.label = c.runs[i].name,
                           .x = c.runs[i].held_out_x,
                           .y = c.runs[i].held_out_losses,
                           .colour = colour_of(i)});
    thin(chart.lines.back(), 300);
  }
  choose_scale(chart);
  return chart;
}

}  // namespace falconer
