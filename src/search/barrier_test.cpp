#include "search/barrier.h"

#include <gtest/gtest.h>

#include <vector>

namespace merganser::rt {
namespace {

const std::vector<double> kLambdas = {0, 0.25, 0.5, 0.75, 1};

TEST(Barrier, BothDefinitionsByHand) {
  // The mean of the ends is 2; the line between them 1, 1.5, 2, 2.5, 3.
  const Barriers found = barriers_of(kLambdas, std::vector<double>{1, 4, 4.25, 4.5, 3});
  EXPECT_DOUBLE_EQ(found.above_mean.height, 2.5);
  EXPECT_DOUBLE_EQ(found.above_mean.lambda, 0.75);
  EXPECT_DOUBLE_EQ(found.above_line.height, 2.5);
  EXPECT_DOUBLE_EQ(found.above_line.lambda, 0.25);
}

TEST(Barrier, BelowZeroWhereTheWayIsLower) {
  const Barriers found = barriers_of(kLambdas, std::vector<double>{2, 1.5, 1, 1.25, 2});
  EXPECT_DOUBLE_EQ(found.above_mean.height, -0.5);
  EXPECT_DOUBLE_EQ(found.above_line.height, -0.5);
  EXPECT_DOUBLE_EQ(found.above_line.lambda, 0.25);
}

TEST(Barrier, EndsThatDifferAreABarrierOnlyAgainstTheirMean) {
  const Barriers found = barriers_of(kLambdas, std::vector<double>{0, 1, 2, 3, 4});
  EXPECT_DOUBLE_EQ(found.above_mean.height, 1);
  EXPECT_DOUBLE_EQ(found.above_line.height, 0);
}

TEST(Barrier, BestCountsTheEnds) {
  EXPECT_EQ(best_of(kLambdas, std::vector<double>{1, 4, 4, 4, 3}), 0);
  EXPECT_EQ(best_of(kLambdas, std::vector<double>{1, 4, 0.5, 0.5, 3}), 0.5);
}

}  // namespace
}  // namespace merganser::rt
