// Charts as SVG: readable on light and dark ground, with every value written beside its mark.
#pragma once

#include <string>
#include <vector>

namespace falconer {

/// A colour is a number of the palette, 0 to 4; a thing keeps its colour in all charts.
struct Bar {
  std::string label;
  double value = 0;
  std::string text;  // the value as it is written
  int colour = 0;
  bool pale = false;  // the second of a pair
};
struct BarChart {
  std::string title;
  std::vector<Bar> bars;
};

struct Line {
  std::string label;
  std::vector<double> x, y;  // as long as each other; what is not finite leaves a gap
  int colour = 0;
};
struct LineChart {
  std::string title, x_title, y_title;
  std::vector<Line> lines;
  bool powers = false;  // y runs in powers of ten; what is not above 0 leaves a gap
};

/// Values on a line of powers of ten: for what differs by orders of magnitude.
struct DotChart {
  std::string title;
  std::vector<Bar> dots;
};

/// An <svg> element. `alone`: as a file of its own, with its ground and colours; else colours come
/// from the page (chart_style()).
std::string bar_chart_svg(const BarChart& chart, bool alone = false);
std::string line_chart_svg(const LineChart& chart, bool alone = false);
std::string dot_chart_svg(const DotChart& chart, bool alone = false);

/// CSS for charts in a page.
std::string chart_style();

/// A coordinate: at most two decimals, never an exponent, and 0 for what is not finite.
std::string svg_number(double value);

/// About `count` round numbers from at or below `low` to at or above `high`.
std::vector<double> round_ticks(double low, double high, int count);
/// Powers of ten that cover the range, and 2 and 5 times them where that leaves few; `low` > 0.
std::vector<double> power_ticks(double low, double high);
/// A tick's text: as many decimals as the distance of the ticks needs.
std::string tick_text(double value, double distance);

}  // namespace falconer
