#include "report/svg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace merganser {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
  return found;
}

TEST(Svg, TicksAreRoundAndWithin) {
  EXPECT_THAT(axis_ticks(0, 1, 5), ElementsAre(0, 0.2, 0.4, testing::DoubleEq(0.2 * 3), 0.8, 1));
  EXPECT_THAT(axis_ticks(-7, 12, 4), ElementsAre(-5, 0, 5, 10));
  EXPECT_THAT(axis_ticks(3, 3, 5), ElementsAre(3));
}

TEST(Svg, LinesWithALegendEntryForEachName) {
  const LineChart::Series line{"test", {0, 0.5, 1}, {1, 3, 2}, 0};
  const std::string svg =
      svg_of_lines({{"loss", "x", "y", {line}}, {"error", "x", "y", {line}}}, 2);
  EXPECT_EQ(count(svg, "<polyline"), 2u);
  EXPECT_EQ(count(svg, ">test</text>"), 1u);
  EXPECT_TRUE(svg.starts_with("<svg xmlns"));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme:dark"));
}

TEST(Svg, NamesCannotLeaveTheirElementAndGapsAreLeftOut) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::string svg =
      svg_of_lines({{"</text><script>\x1b", "&", "y", {{"a<b", {0, 0.5, 1}, {1, nan, 2}, 0}}}}, 1);
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_THAT(svg, HasSubstr("&lt;/text&gt;&lt;script&gt;?"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(Svg, LevelsOfASlope) {
  // Values x + 10 y on a 3 x 2 grid: the level 0.5 crosses halfway along the lower edge and leaves
  // through the left one.
  MapChart map{"m", "x", "y", {0, 1, 2}, {0, 1}, {0, 1, 2, 10, 11, 12}, {}};
  const auto segments = level_segments(map, 0.5);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_DOUBLE_EQ(segments[0][0], 0.5);
  EXPECT_DOUBLE_EQ(segments[0][1], 0);
  EXPECT_DOUBLE_EQ(segments[0][2], 0);
  EXPECT_NEAR(segments[0][3], 0.05, 1e-12);
  // Across both cells from left to right.
  EXPECT_EQ(level_segments(map, 5).size(), 2u);
  EXPECT_TRUE(level_segments(map, 20).empty());
}

TEST(Svg, MapsHaveASquareForEachKnownValue) {
  MapChart map{"m", "x", "y", {0, 1, 2}, {0, 1}, {0, 1, 2, 10, 11, INFINITY}, {{"A", 1, 0}}};
  const std::string svg = svg_of_maps({map}, 2);
  EXPECT_EQ(count(svg, "<rect x="), 5u);
  EXPECT_EQ(count(svg, "<circle"), 1u);
  EXPECT_THAT(svg, HasSubstr(">A</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

}  // namespace
}  // namespace merganser
