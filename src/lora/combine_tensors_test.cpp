#include "lora/combine_tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace merganser {
namespace {

using ::testing::ElementsAre;
using Tensors = std::vector<std::vector<double>>;

std::vector<double> combined(const Tensors& tensors, const std::vector<double>& weights,
                             const CombineRule& rule, std::uint64_t seed = 0) {
  std::vector<RandomStream> streams;
  for (std::size_t i = 0; i < tensors.size(); ++i) streams.push_back({seed, i});
  std::vector<double> out(tensors[0].size(), -99);
  combine_tensors<double>(
      weights, rule, streams,
      [&](std::size_t i, std::span<double> t) { std::ranges::copy(tensors[i], t.begin()); }, out);
  return out;
}

TEST(CombineTensors, WeightedSum) {
  EXPECT_THAT(combined({{1, 2}, {10, -20}}, {2, 0.5}, {}), ElementsAre(7, -6));
}

TEST(CombineTensors, LargestStay) {
  CombineRule rule{.pruning = Pruning::magnitude, .density = 0.5};
  EXPECT_THAT(combined({{1, -4, 3, 2}}, {1}, rule), ElementsAre(0, -4, 3, 0));
  // int(0.5 * 5) = 2; of equal magnitudes the first.
  EXPECT_THAT(combined({{1, -2, 2, 2, 0}}, {1}, rule), ElementsAre(0, -2, 2, 0, 0));
  rule.density = 0.1;  // int(0.4) = 0
  EXPECT_THAT(combined({{1, -4, 3, 2}}, {1}, rule), ElementsAre(0, 0, 0, 0));
  rule.density = 1;
  EXPECT_THAT(combined({{1, -4, 3, 2}}, {1}, rule), ElementsAre(1, -4, 3, 2));
}

TEST(CombineTensors, SignsAreElectedOfUnweightedTensors) {
  // Sums 1, -1, 0 (counts as +), 2; the mean is over those that agree.
  const Tensors tensors = {{3, 1, 1, 1}, {-2, -2, -1, 1}};
  EXPECT_THAT(combined(tensors, {10, 100}, {.elect = true}), ElementsAre(30, -200, 10, 55));
}

TEST(CombineTensors, SignsByFrequency) {
  const Tensors tensors = {{9}, {-1}, {-1}};
  EXPECT_THAT(combined(tensors, {1, 1, 1}, {.elect = true}), ElementsAre(9));
  EXPECT_THAT(combined(tensors, {1, 1, 3}, {.elect = true, .by_frequency = true}), ElementsAre(-2));
}

TEST(CombineTensors, ZerosDoNotAgree) {
  EXPECT_THAT(combined({{0}, {0}}, {1, 1}, {.elect = true}), ElementsAre(0));
  EXPECT_THAT(combined({{4}, {0}}, {1, 1}, {.elect = true}), ElementsAre(4));
}

TEST(CombineTensors, RandomOnesStayAndAreRescaled) {
  const std::vector<double> ones(100'000, 1);
  const CombineRule rule{.pruning = Pruning::random, .density = 0.25};
  const std::vector<double> out = combined({ones}, {1}, rule, 7);
  const auto kept = std::ranges::count(out, 4.0);
  EXPECT_EQ(std::ranges::count(out, 0.0) + kept, 100'000);
  EXPECT_NEAR(static_cast<double>(kept), 25'000, 5 * 137);  // five standard deviations
  EXPECT_EQ(combined({ones}, {1}, rule, 7), out);
  EXPECT_NE(combined({ones}, {1}, rule, 8), out);
  // Masks of two tensors are independent: a sixteenth has both.
  const std::vector<double> both = combined({ones, ones}, {1, 1}, rule, 7);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(both, 8.0)), 6'250, 5 * 77);
}

}  // namespace
}  // namespace merganser
