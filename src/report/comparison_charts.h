// The charts of a comparison, for the page and as files.
#pragma once

#include "report/comparison.h"

namespace falconer {

/// Values of one kind: bars, or dots on powers of ten where they differ by orders of magnitude.
struct MagnitudeChart {
  BarChart bars;
  bool powers = false;
};
std::string magnitude_chart_svg(const MagnitudeChart& chart, bool alone = false);

BarChart time_chart(const Comparison& comparison);
BarChart training_speed_chart(const Comparison& comparison);
BarChart memory_chart(const Comparison& comparison);
MagnitudeChart trainable_chart(const Comparison& comparison);
BarChart speed_chart(const Comparison& comparison);
BarChart answer_memory_chart(const Comparison& comparison);
MagnitudeChart held_out_chart(const Comparison& comparison);
BarChart exact_chart(const Comparison& comparison);
LineChart loss_curves(const Comparison& comparison);
LineChart held_out_curves(const Comparison& comparison);

/// "1:02:03 h", "4:05 min", "33.1 s"
std::string time_text(double seconds);
/// "12,167", "48.2"
std::string rate_text(double value);
/// "16.27 GB", "123 MB"
std::string bytes_text(int64_t bytes);

}  // namespace falconer
