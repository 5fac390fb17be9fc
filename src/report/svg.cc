#include "report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "report/table.h"

namespace falconer {
namespace {

constexpr double kWidth = 480;  // two beside each other on a page, one on a telephone
constexpr double kLabelSize = 13;
constexpr double kLetter = 7.2;  // width of one of the labels' letters, at most

// Chosen so that each keeps a contrast of 3 to its ground, and neighbours differ for every eye.
constexpr const char* kVariables =
    "--ground:#ffffff;--ink:#1c2430;--soft:#5b6675;--rule:#d9dee5;"
    "--c0:#1f6fb8;--c1:#b8520a;--c2:#1a7f5a;--c3:#8a3fa8;--c4:#6a7482;";
constexpr const char* kDarkVariables =
    "--ground:#12161c;--ink:#e8ecf1;--soft:#a3adba;--rule:#323a45;"
    "--c0:#64adf0;--c1:#f09a52;--c2:#4fc293;--c3:#cf8fe8;--c4:#98a3b1;";
constexpr const char* kClasses =
    "text{font:13px system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif;fill:var(--ink)}"
    ".value{paint-order:stroke;stroke:var(--ground);stroke-width:3px;stroke-linejoin:round}"
    ".title{font-weight:600;font-size:15px}.soft{fill:var(--soft);font-size:12px}"
    ".rule{stroke:var(--rule);stroke-width:1}.line{fill:none;stroke-width:2;stroke-linejoin:round}"
    ".pale{opacity:.55}.right{text-anchor:end}.middle{text-anchor:middle}"
    ".f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}"
    ".f4{fill:var(--c4)}.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}"
    ".s3{stroke:var(--c3)}.s4{stroke:var(--c4)}";

int palette(int colour) { return ((colour % 5) + 5) % 5; }

double text_width(const std::string& text) {
  const auto characters = std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  });
  return kLetter * static_cast<double>(characters);
}

class Drawing {
 public:
  Drawing(const std::string& title, double height, bool alone) : alone_(alone) {
    text_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\" "
        "aria-label=\"{}\"{}>\n",
        svg_number(kWidth), svg_number(height), html_escaped(title),
        alone ? fmt::format(" width=\"{}\" height=\"{}\"", svg_number(kWidth), svg_number(height))
              : std::string());
    if (alone) {
      text_ +=
          fmt::format("<style>svg{{{}}}@media(prefers-color-scheme:dark){{svg{{{}}}}}{}</style>\n",
                      kVariables, kDarkVariables, kClasses);
      text_ += "<rect width=\"100%\" height=\"100%\" rx=\"6\" style=\"fill:var(--ground)\"/>\n";
    }
    text_ += fmt::format("<title>{}</title>\n", html_escaped(title));
    write(16, 26, title, "title");
  }

  void write(double x, double y, const std::string& text, const std::string& classes = "") {
    text_ += fmt::format("<text x=\"{}\" y=\"{}\"{}>{}</text>\n", svg_number(x), svg_number(y),
                         class_of(classes), html_escaped(text));
  }
  void rule(double x1, double y1, double x2, double y2) {
    text_ += fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" class=\"rule\"/>\n",
                         svg_number(x1), svg_number(y1), svg_number(x2), svg_number(y2));
  }
  void box(double x, double y, double width, double height, const std::string& classes) {
    text_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"2\"{}/>\n",
                         svg_number(x), svg_number(y), svg_number(width), svg_number(height),
                         class_of(classes));
  }
  void dot(double x, double y, double radius, const std::string& classes) {
    text_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}/>\n", svg_number(x), svg_number(y),
                         svg_number(radius), class_of(classes));
  }
  void path(const std::string& points, const std::string& classes) {
    if (!points.empty()) text_ += fmt::format("<path d=\"{}\"{}/>\n", points, class_of(classes));
  }
  std::string take() { return std::move(text_) + "</svg>\n"; }

 private:
  static std::string class_of(const std::string& classes) {
    return classes.empty() ? "" : fmt::format(" class=\"{}\"", classes);
  }

  bool alone_;
  std::string text_;
};

double finite_or_zero(double value) { return std::isfinite(value) ? value : 0; }

// Where labels at the left end: room for the longest, but never more than a third.
double label_room(const std::vector<Bar>& bars) {
  double widest = 0;
  for (const Bar& bar : bars) widest = std::max(widest, text_width(bar.label));
  return std::min(16 + widest + 10, kWidth * 0.4);
}

double value_room(const std::vector<Bar>& bars) {
  double widest = 0;
  for (const Bar& bar : bars) widest = std::max(widest, text_width(bar.text));
  return std::min(widest + 24, kWidth * 0.35);
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void take(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

// The plane of a line chart: ticks, axes and the map from values to points.
struct Plane {
  double left = 64, right = kWidth - 16, top = 66, bottom = 290;
  std::vector<double> x_ticks, y_ticks;
  bool powers = false;

  double x(double value) const {
    return left + (right - left) * (value - x_ticks.front()) / (x_ticks.back() - x_ticks.front());
  }
  double y(double value) const {
    const double low = scaled(y_ticks.front()), high = scaled(y_ticks.back());
    return bottom - (bottom - top) * (scaled(value) - low) / (high - low);
  }
  double scaled(double value) const { return powers ? std::log10(value) : value; }
  bool shows(double value) const { return std::isfinite(value) && (!powers || value > 0); }
};

std::string points_of(const Line& line, const Plane& plane) {
  std::string points;
  bool drawing = false;
  const size_t n = std::min(line.x.size(), line.y.size());
  for (size_t i = 0; i < n; ++i) {
    if (!std::isfinite(line.x[i]) || !plane.shows(line.y[i])) {
      drawing = false;
      continue;
    }
    points += fmt::format("{}{} {}", drawing ? "L" : "M", svg_number(plane.x(line.x[i])),
                          svg_number(plane.y(line.y[i])));
    drawing = true;
  }
  return points;
}

// Labels stand at their lines' ends, pushed apart where they would lie on each other.
std::vector<double> label_heights(const std::vector<Line>& lines, const Plane& plane) {
  constexpr double kApart = 16;
  std::vector<size_t> order;
  std::vector<double> heights(lines.size(), plane.bottom);
  for (size_t i = 0; i < lines.size(); ++i) {
    for (const double y : lines[i].y)
      if (plane.shows(y)) heights[i] = plane.y(y);
    order.push_back(i);
  }
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return heights[a] < heights[b]; });
  for (size_t i = 1; i < order.size(); ++i)
    heights[order[i]] = std::max(heights[order[i]], heights[order[i - 1]] + kApart);
  // What was pushed out at the bottom moves up again, and the others before it.
  double limit = plane.bottom;
  for (size_t i = order.size(); i-- > 0; limit -= kApart)
    heights[order[i]] = std::min(heights[order[i]], limit);
  return heights;
}

std::string power_text(double value) {
  return value < 1 ? fmt::format("{:g}", value) : tick_text(value, 1);
}

void draw_axes(const LineChart& chart, const Plane& plane, Drawing& drawing) {
  for (const double tick : plane.y_ticks) {
    drawing.rule(plane.left, plane.y(tick), plane.right, plane.y(tick));
    drawing.write(
        plane.left - 8, plane.y(tick) + 4,
        plane.powers ? power_text(tick) : tick_text(tick, plane.y_ticks[1] - plane.y_ticks[0]),
        "soft right");
  }
  for (const double tick : plane.x_ticks)
    drawing.write(plane.x(tick), plane.bottom + 18,
                  tick_text(tick, plane.x_ticks[1] - plane.x_ticks[0]), "soft middle");
  drawing.write(16, 46, chart.y_title, "soft");
  drawing.write(plane.right, plane.bottom + 36, chart.x_title, "soft right");
}

}  // namespace

std::string svg_number(double value) {
  if (!std::isfinite(value)) return "0";
  std::string text = fmt::format("{:.2f}", std::clamp(value, -1e6, 1e6));
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::vector<double> round_ticks(double low, double high, int count) {
  if (!std::isfinite(low) || !std::isfinite(high) || count < 1) return {0, 1};
  if (low > high) std::swap(low, high);
  if (high - low < 1e-12 * std::max(1.0, std::fabs(high)))
    high = low + std::max(1.0, std::fabs(low));
  const double rough = (high - low) / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough * 0.999) {
      step = factor * power;
      break;
    }
  std::vector<double> ticks;
  const double first = std::floor(low / step + 1e-9), last = std::ceil(high / step - 1e-9);
  for (double i = first; i <= last; ++i) ticks.push_back(i * step);
  if (ticks.size() < 2) ticks.push_back(ticks.back() + step);
  return ticks;
}

std::vector<double> power_ticks(double low, double high) {
  if (!(low > 0) || !(high >= low) || !std::isfinite(high)) return {1, 10};
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9));
  const int last = std::max(first + 1, static_cast<int>(std::ceil(std::log10(high) - 1e-9)));
  const int every = std::max(1, (last - first + 5) / 6);
  std::vector<double> ticks;
  for (int power = first; power < last + every; power += every)
    for (const double factor : {1.0, 2.0, 5.0})
      if (factor == 1 || (last - first <= 2 && power < last))
        ticks.push_back(factor * std::pow(10, power));
  return ticks;
}

std::string tick_text(double value, double distance) {
  const int decimals =
      distance > 0 && std::isfinite(distance)
          ? std::clamp(static_cast<int>(std::ceil(-std::log10(distance) - 1e-9)), 0, 6)
          : 0;
  if (std::fabs(value) >= 1e9) return fmt::format("{:.3g} G", value / 1e9);
  if (std::fabs(value) >= 1e6) return fmt::format("{:.3g} M", value / 1e6);
  if (decimals == 0) return grouped_digits(std::llround(finite_or_zero(value)));
  return fmt::format("{:.{}f}", value, decimals);
}

std::string chart_style() {
  return fmt::format(":root{{{}}}\n@media(prefers-color-scheme:dark){{:root{{{}}}}}\nsvg {}\n",
                     kVariables, kDarkVariables, kClasses);
}

std::string bar_chart_svg(const BarChart& chart, bool alone) {
  constexpr double kRow = 28, kTop = 44;
  const double height = kTop + kRow * static_cast<double>(chart.bars.size()) + 10;
  Drawing drawing(chart.title, height, alone);
  const double left = label_room(chart.bars), right = kWidth - value_room(chart.bars);
  double most = 0;
  for (const Bar& bar : chart.bars) most = std::max(most, finite_or_zero(bar.value));
  drawing.rule(left, kTop - 4, left, height - 8);
  double y = kTop;
  for (const Bar& bar : chart.bars) {
    const double width =
        most > 0 ? (right - left) * std::max(0.0, finite_or_zero(bar.value)) / most : 0;
    drawing.write(left - 8, y + 15, bar.label, "right");
    drawing.box(left, y + 2, width, kRow - 8,
                fmt::format("f{}{}", palette(bar.colour), bar.pale ? " pale" : ""));
    drawing.write(left + width + 6, y + 15, bar.text);
    y += kRow;
  }
  return drawing.take();
}

std::string dot_chart_svg(const DotChart& chart, bool alone) {
  constexpr double kRow = 28, kTop = 44;
  const double bottom = kTop + kRow * static_cast<double>(chart.dots.size());
  Drawing drawing(chart.title, bottom + 34, alone);
  Range range;
  for (const Bar& dot : chart.dots)
    if (dot.value > 0) range.take(std::log10(dot.value));
  if (range.empty()) range.take(0);
  const std::vector<double> ticks =
      power_ticks(std::pow(10, range.low), std::pow(10, std::min(range.high, 300.0)));
  const double first = std::log10(ticks.front()), last = std::log10(ticks.back());
  const double left = label_room(chart.dots), right = kWidth - value_room(chart.dots);
  const auto x_of = [&](double power) {
    return left + (right - left) * (power - first) / (last - first);
  };
  for (const double tick : ticks) {
    const double x = x_of(std::log10(tick));
    drawing.rule(x, kTop - 4, x, bottom + 4);
    drawing.write(x, bottom + 20, power_text(tick), "soft middle");
  }
  double y = kTop + 12;
  for (const Bar& dot : chart.dots) {
    drawing.write(left - 12, y + 4, dot.label, "right");
    const double x = dot.value > 0 ? x_of(std::log10(dot.value)) : left;
    drawing.dot(x, y, 5.5, fmt::format("f{}", palette(dot.colour)));
    drawing.write(x + 12, y + 4, dot.text, "value");
    y += kRow;
  }
  return drawing.take();
}

std::string line_chart_svg(const LineChart& chart, bool alone) {
  Plane plane;
  Range x, y;
  double label = 0;
  for (const Line& line : chart.lines) {
    for (const double value : line.x) x.take(value);
    for (const double value : line.y)
      if (!chart.powers || value > 0) y.take(value);
    label = std::max(label, text_width(line.label));
  }
  Drawing drawing(chart.title, plane.bottom + 46, alone);
  if (x.empty() || y.empty()) {
    drawing.write(16, 60, "no values", "soft");
    return drawing.take();
  }
  plane.right = kWidth - std::min(label + 20, kWidth * 0.35);
  plane.x_ticks = round_ticks(x.low, x.high, 5);
  plane.powers = chart.powers;
  plane.y_ticks = chart.powers ? power_ticks(y.low, y.high) : round_ticks(y.low, y.high, 5);
  draw_axes(chart, plane, drawing);
  const std::vector<double> heights = label_heights(chart.lines, plane);
  for (size_t i = 0; i < chart.lines.size(); ++i) {
    const int colour = palette(chart.lines[i].colour);
    drawing.path(points_of(chart.lines[i], plane), fmt::format("line s{}", colour));
    drawing.write(plane.right + 8, heights[i] + 4, chart.lines[i].label,
                  fmt::format("f{}", colour));
  }
  return drawing.take();
}

}  // namespace falconer
