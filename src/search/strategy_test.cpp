#include "search/strategy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/testing.h"
#include "search/axis.h"

namespace merganser::rt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<Axis> axes(const std::vector<std::string>& texts) {
  std::vector<Axis> found;
  for (const std::string& text : texts) found.push_back(parse_axis(text));
  return found;
}

TEST(Axis, Values) {
  EXPECT_THAT(parse_axis("p.x=0.1:0.5:0.1").values, ElementsAre("0.1", "0.2", "0.3", "0.4", "0.5"));
  EXPECT_THAT(parse_axis("p.x=1:0:-0.5").values, ElementsAre("1", "0.5", "0"));
  EXPECT_THAT(parse_axis("p.x=0:1:0.3").values, ElementsAre("0", "0.3", "0.6", "0.9"));
  EXPECT_THAT(parse_axis("p.x=-0.2:0.2:0.2").values, ElementsAre("-0.2", "0", "0.2"));
  EXPECT_THAT(parse_axis("p.x = mass, count").values, ElementsAre("mass", "count"));
  const Axis interval = parse_axis("p[*].x=[0.2, 1.5]");
  EXPECT_EQ((*interval.interval)[1], 1.5);
  EXPECT_TRUE(interval.values.empty());
  EXPECT_EQ(interval.path.text, "p[*].x");
}

TEST(Axis, Refuses) {
  for (const char* text :
       {"p.x", "p.x=", "p.x=1,,2", "p.x=1,1", "p.x=0:1:0", "p.x=0:1:-1", "p.x=0:1", "p.x=0:1:a",
        "p.x=0:1:1e-9", "p.x=[1]", "p.x=[2, 1]", "p.x=[0, .inf]", "=1"}) {
    EXPECT_THROW(parse_axis(text), Error) << text;
  }
}

double number(const std::string& text) { return std::stod(text); }

TEST(Grid, TriesEveryCombinationOnceTheLastAxisTheFastest) {
  std::vector<Point> tried;
  Evaluations evaluations(
      [&](const Point& point) {
        tried.push_back(point);
        return std::optional(-std::abs(number(point[0]) - 2) - std::abs(number(point[1]) - 10));
      },
      0);
  search_grid(axes({"a=1,2,3", "b=10,20"}), evaluations, 0, 0);
  EXPECT_THAT(tried, ElementsAre(Point{"1", "10"}, Point{"1", "20"}, Point{"2", "10"},
                                 Point{"2", "20"}, Point{"3", "10"}, Point{"3", "20"}));
  EXPECT_EQ(evaluations.best(), (Point{"2", "10"}));
}

TEST(Grid, DrawsWhereThereAreMoreThanItMay) {
  const auto run = [](std::uint64_t seed) {
    std::vector<Point> tried;
    Evaluations evaluations(
        [&](const Point& point) {
          tried.push_back(point);
          return std::optional(0.0);
        },
        7);
    search_grid(axes({"a=0:99:1", "b=0:99:1"}), evaluations, 7, seed);
    return tried;
  };
  EXPECT_EQ(run(1).size(), 7U);  // each measured once, so they differ
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

TEST(Evaluations, MeasuresAPointOnceAndKeepsTheFirstOfEquals) {
  int calls = 0;
  Evaluations evaluations(
      [&](const Point&) {
        ++calls;
        return std::optional(1.0);
      },
      0);
  EXPECT_TRUE(evaluations.improves({"1"}));
  EXPECT_FALSE(evaluations.improves({"2"}));
  EXPECT_FALSE(evaluations.improves({"1"}));
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(evaluations.best(), (Point{"1"}));
}

TEST(Evaluations, WhatCannotBeMeasuredIsNeverTheBest) {
  Evaluations evaluations(
      [](const Point& point) {
        return point[0] == "nan"    ? std::optional(std::nan(""))
               : point[0] == "none" ? std::nullopt
                                    : std::optional(-5.0);
      },
      0);
  EXPECT_FALSE(evaluations.improves({"none"}));
  EXPECT_FALSE(evaluations.improves({"nan"}));
  EXPECT_FALSE(evaluations.best());
  EXPECT_TRUE(evaluations.improves({"1"}));
}

TEST(Evaluations, StopsAtItsBudget) {
  Evaluations evaluations([](const Point& p) { return std::optional(number(p[0])); }, 2);
  search_grid(axes({"a=1:9:1"}), evaluations, 0, 0);
  EXPECT_EQ(evaluations.count(), 2U);
  EXPECT_TRUE(evaluations.exhausted());
  EXPECT_EQ(evaluations.best(), (Point{"2"}));
}

TEST(Coordinates, GoRoundUntilNothingIsBetter) {
  // A ridge: the best b depends on a, so that one round is not enough.
  const auto measure = [](const Point& p) {
    const double a = number(p[0]), b = number(p[1]);
    return std::optional(-(a - b) * (a - b) - 0.1 * (a - 3) * (a - 3));
  };
  Evaluations evaluations(measure, 0);
  search_coordinates(axes({"a=0:5:1", "b=0:5:1"}), {"0", "0"}, evaluations, 0.02);
  const Point best = *evaluations.best();
  // No neighbour along an axis is better.
  for (int v = 0; v <= 5; ++v) {
    EXPECT_LE(*measure({std::to_string(v), best[1]}), *measure(best));
    EXPECT_LE(*measure({best[0], std::to_string(v)}), *measure(best));
  }
  EXPECT_LT(evaluations.count(), 36U);
}

TEST(Coordinates, ReachesTheTopOfASeparableHill) {
  Evaluations evaluations(
      [](const Point& p) {
        return std::optional(-std::pow(number(p[0]) - 4, 2) - std::pow(number(p[1]) - 1, 2));
      },
      0);
  search_coordinates(axes({"a=0:5:1", "b=0:5:1"}), {"0", "5"}, evaluations, 0.02);
  EXPECT_EQ(evaluations.best(), (Point{"4", "1"}));
}

TEST(GoldenSection, FindsTheTopToTheTolerance) {
  for (const double top : {0.31, 0.777, 1.2}) {
    Evaluations evaluations(
        [&](const Point& p) { return std::optional(-std::pow(number(p[0]) - top, 2)); }, 0);
    search_coordinates(axes({"a=[0.2, 1.5]"}), {"0.5"}, evaluations, 0.02);
    EXPECT_NEAR(number((*evaluations.best())[0]), top, 0.02 * 1.3);
    // The width falls by the golden ratio with each: 2 % after 9 of them, 2 to begin, and the
    // start.
    EXPECT_EQ(evaluations.count(), 12U);
  }
}

TEST(GoldenSection, OfTwoParametersThatDependOnEachOther) {
  Evaluations evaluations(
      [](const Point& p) {
        const double a = number(p[0]) - 0.6, b = number(p[1]) - 0.9;
        return std::optional(-a * a - b * b - a * b);
      },
      0);
  search_coordinates(axes({"a=[0, 2]", "b=[0, 2]"}), {"1", "1"}, evaluations, 0.01);
  EXPECT_NEAR(number((*evaluations.best())[0]), 0.6, 0.05);
  EXPECT_NEAR(number((*evaluations.best())[1]), 0.9, 0.05);
}

}  // namespace
}  // namespace merganser::rt
