#include "report/svg.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/holds.h"

namespace falconer::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

TEST(Svg, NumbersAreShortAndFinite) {
  EXPECT_EQ(svg_number(0), "0");
  EXPECT_EQ(svg_number(1.5), "1.5");
  EXPECT_EQ(svg_number(2.0 / 3), "0.67");
  EXPECT_EQ(svg_number(-0.001), "0");
  EXPECT_EQ(svg_number(100), "100");
  EXPECT_EQ(svg_number(1e300), "1000000");
  EXPECT_EQ(svg_number(kNan), "0");
  EXPECT_EQ(svg_number(-kInf), "0");
}

TEST(Svg, TicksAreRoundAndCoverTheRange) {
  EXPECT_EQ(round_ticks(0, 1, 5), (std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}));
  EXPECT_EQ(round_ticks(0, 100, 5), (std::vector<double>{0, 20, 40, 60, 80, 100}));
  for (const auto& [low, high] : {std::pair{0.0, 1.0},
                                  {0.7788, 6.47},
                                  {-3.0, 1e-9},
                                  {5.0, 5.0},
                                  {0.0, 0.0},
                                  {1e12, 3e12},
                                  {1e-12, 2e-12}}) {
    const auto ticks = round_ticks(low, high, 5);
    ASSERT_GE(ticks.size(), 2u);
    ASSERT_LE(ticks.size(), 12u);
    const double nothing = 1e-6 * std::max(high - low, std::abs(high));  // less than a pixel
    EXPECT_LE(ticks.front(), low + nothing);
    EXPECT_GE(ticks.back(), high - nothing);
    for (size_t i = 1; i < ticks.size(); ++i) EXPECT_LT(ticks[i - 1], ticks[i]);
  }
  EXPECT_EQ(round_ticks(kNan, 1, 5).size(), 2u);
}

TEST(Svg, TicksShowAsManyDecimalsAsTheyNeed) {
  EXPECT_EQ(tick_text(0.6000000000000001, 0.2), "0.6");
  EXPECT_EQ(tick_text(1500, 500), "1,500");
  EXPECT_EQ(tick_text(0.25, 0.05), "0.25");
  EXPECT_EQ(tick_text(2, 1), "2");
}

TEST(Svg, PowersOfTenCoverTheRange) {
  EXPECT_EQ(power_ticks(20, 90000), (std::vector<double>{10, 100, 1000, 10000, 100000}));
  EXPECT_EQ(power_ticks(1, 1), (std::vector<double>{1, 2, 5, 10}));
  for (const auto& [low, high] : {std::pair{0.0006, 8.07}, {1e-12, 1e12}, {3.0, 4.0}}) {
    const auto ticks = power_ticks(low, high);
    EXPECT_LE(ticks.front(), low);
    EXPECT_GE(ticks.back(), high);
    EXPECT_LE(ticks.size(), 9u);
  }
  EXPECT_EQ(power_ticks(0, 1).size(), 2u);
  EXPECT_EQ(power_ticks(kNan, kInf).size(), 2u);
}

TEST(Svg, WhatIsNotAboveZeroHasNoPlaceAmongPowers) {
  const std::string svg =
      line_chart_svg({"t", "x", "y", {{"a", {0, 1, 2, 3}, {100, 0, -1, 0.01}, 0}}, true});
  EXPECT_FALSE(holds(svg, "nan"));
  EXPECT_FALSE(holds(svg, "inf"));
  EXPECT_TRUE(holds(svg, ">0.01<"));
  EXPECT_TRUE(holds(svg, ">100<"));
}

TEST(Svg, NamesAreEscaped) {
  const std::string evil = "</text><script>x</script>\"";
  const std::string bars = bar_chart_svg({evil, {{evil, 1, evil, 0, false}}}, true);
  const std::string lines = line_chart_svg({evil, evil, evil, {{evil, {0, 1}, {1, 2}, 0}}}, true);
  const std::string dots = dot_chart_svg({evil, {{evil, 10, evil, 0, false}}}, true);
  for (const std::string& svg : {bars, lines, dots}) {
    EXPECT_FALSE(holds(svg, "<script"));
    EXPECT_TRUE(holds(svg, "&lt;/text&gt;"));
  }
}

TEST(Svg, BarsAreProportional) {
  const std::string svg =
      bar_chart_svg({"t", {{"a", 10, "10", 0, false}, {"b", 5, "5", 1, false}}});
  const auto width = [&](const char* marker) {
    const size_t end = svg.find(marker);
    const size_t at = svg.rfind("width=\"", end);
    return std::stod(svg.substr(at + 7));
  };
  EXPECT_NEAR(width("class=\"f0\"") / width("class=\"f1\""), 2, 0.01);
}

TEST(Svg, WhatIsNotFiniteLeavesAGapAndNoNumberIsBroken) {
  const std::string svg = line_chart_svg(
      {"t", "x", "y", {{"a", {0, 1, 2, 3, 4}, {1, 2, kNan, kInf, 3}, 0}, {"b", {0}, {kNan}, 1}}});
  EXPECT_FALSE(holds(svg, "nan"));
  EXPECT_FALSE(holds(svg, "inf"));
  const size_t at = svg.find(" d=\"");
  const std::string path = svg.substr(at, svg.find('"', at + 4) - at);
  EXPECT_EQ(count_of(path, "M"), 2u);
  EXPECT_TRUE(holds(line_chart_svg({"t", "x", "y", {}}), "no values"));
  EXPECT_FALSE(
      holds(bar_chart_svg({"t", {{"a", kNan, "-", 0, false}, {"b", -1, "", 9, true}}}), "nan"));
  EXPECT_FALSE(
      holds(dot_chart_svg({"t", {{"a", 0, "0", 0, false}, {"b", kInf, "", -7, false}}}), "inf"));
}

TEST(Svg, LabelsOfLinesThatEndTogetherStandApart) {
  const std::vector<Line> lines(4, Line{"same", {0, 1}, {1, 1}, 0});
  const std::string svg = line_chart_svg({"t", "x", "y", lines});
  std::vector<double> heights;
  for (size_t at = 0; (at = svg.find(">same</text>", at)) != std::string::npos; ++at)
    heights.push_back(std::stod(svg.substr(svg.rfind("y=\"", at) + 3)));
  ASSERT_EQ(heights.size(), 4u);
  std::sort(heights.begin(), heights.end());
  for (size_t i = 1; i < heights.size(); ++i) EXPECT_GE(heights[i] - heights[i - 1], 15);
}

TEST(Svg, AFileOfItsOwnBringsItsColoursForLightAndDark) {
  const std::string svg = bar_chart_svg({"t", {{"a", 1, "1", 0, false}}}, true);
  EXPECT_TRUE(holds(svg, "prefers-color-scheme:dark"));
  EXPECT_FALSE(holds(svg, "http://") && count_of(svg, "http") > 1);
  EXPECT_TRUE(holds(chart_style(), "prefers-color-scheme:dark"));
}

}  // namespace
}  // namespace falconer::test
