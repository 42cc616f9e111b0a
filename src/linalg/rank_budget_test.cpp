#include "linalg/rank_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace merganser {
namespace {

using ::testing::ElementsAre;

TEST(SpreadBudget, TakesTheLargestSquaresForTheirCost) {
  const std::vector<double> a = {4, 2, 1}, b = {3, 2.5};
  const ModuleSpectrum equal[] = {{a, 10}, {b, 10}};
  EXPECT_THAT(spread_budget(equal, 0), ElementsAre(0, 0));
  EXPECT_THAT(spread_budget(equal, 19), ElementsAre(1, 0));
  EXPECT_THAT(spread_budget(equal, 30), ElementsAre(1, 2));
  EXPECT_THAT(spread_budget(equal, 1000), ElementsAre(3, 2));
  const ModuleSpectrum dear[] = {{a, 40}, {b, 10}};  // 16/40 < 9/10
  EXPECT_THAT(spread_budget(dear, 30), ElementsAre(0, 2));
  // What does not fit leaves its room to others.
  EXPECT_THAT(spread_budget(dear, 59), ElementsAre(0, 2));
  EXPECT_THAT(spread_budget(dear, 60), ElementsAre(1, 2));
}

TEST(SpreadBudget, WeighsTheSquares) {
  const std::vector<double> a = {4, 2}, b = {1, 0.5};
  const ModuleSpectrum modules[] = {{a, 1, 1.0 / 20}, {b, 1, 1 / 1.25}};  // by |a|^2 and |b|^2
  EXPECT_THAT(spread_budget(modules, 2), ElementsAre(1, 1));
  EXPECT_THAT(spread_budget(modules, 3), ElementsAre(2, 1));  // equal: by module
}

TEST(SpreadBudget, EqualOnesGoByModule) {
  const std::vector<double> a = {1, 1}, b = {1, 1};
  const ModuleSpectrum modules[] = {{a, 1}, {b, 1}};
  EXPECT_THAT(spread_budget(modules, 1), ElementsAre(1, 0));
  EXPECT_THAT(spread_budget(modules, 2), ElementsAre(2, 0));
}

}  // namespace
}  // namespace merganser
