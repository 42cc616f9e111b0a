#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "smile/experts.h"

namespace merganser {
namespace {

using ::testing::ElementsAre;

Expert expert(std::vector<double> s, double beyond = 0) {
  Expert expert;
  expert.rank = s.size();
  for (const double value : s) expert.energy += value * value;
  expert.energy += beyond;
  expert.s = std::move(s);
  return expert;
}

SmileModule module(std::uint64_t out, std::uint64_t in, std::size_t experts) {
  SmileModule module;
  module.out = out;
  module.in = in;
  module.experts.resize(experts);
  module.ranks.assign(experts, 1);
  module.rank_limit = 10;
  module.router_rank = 1;
  return module;
}

TEST(ChooseRanks, FewestTriplesThatHoldTheEnergy) {
  SmileModules modules;
  modules.modules = {module(4, 4, 4)};
  modules.modules[0].energy = 0.9;
  Experts experts;
  experts.of_module = {{expert({3, 1}), expert({1, 1, 1, 1}), expert({}),
                        expert({2, 1}, 10)}};  // more lies beyond what was looked at
  choose_ranks(modules, experts);
  EXPECT_THAT(modules.modules[0].ranks, ElementsAre(1, 4, 0, 2));
  EXPECT_FALSE(modules.modules[0].dense);
}

TEST(ChooseRanks, WholeDifferencesWhereTheyAreSmaller) {
  SmileModules modules;
  modules.modules = {module(4, 4, 2), module(4, 4, 2)};  // 16 parameters, 8 a triple
  for (SmileModule& each : modules.modules) each.energy = 1;
  modules.modules[1].transposed = true;
  const std::vector<Expert> experts_of = {expert({3, 2, 1}), expert({3, 2})};
  Experts experts;
  experts.of_module = {experts_of, experts_of};
  choose_ranks(modules, experts);
  EXPECT_TRUE(modules.modules[0].dense);
  EXPECT_THAT(modules.modules[0].ranks, ElementsAre(0, 0));
  EXPECT_FALSE(modules.modules[1].dense);
  EXPECT_THAT(modules.modules[1].ranks, ElementsAre(3, 2));
}

TEST(ChooseRanks, ABudgetForAllLayers) {
  SmileModules modules;
  modules.modules = {module(4, 4, 2), module(10, 6, 2)};  // a triple costs 8, and 16
  modules.base_parameters = 76;
  Experts experts;
  experts.of_module = {{expert({3, 1}), expert({2})}, {expert({4, 2}), expert({1})}};
  // Routers take 2 * 4 + 2 * 6 = 20. By square and cost: 9/8, 16/16, 4/8, 4/16, 1/8, 1/16.
  const auto ranks_within = [&](std::uint64_t room) {
    for (SmileModule& each : modules.modules) each.dense = false;
    modules.budget = static_cast<double>(76 + 20 + room) / 76;
    EXPECT_EQ(factor_parameters(modules), room);
    choose_ranks(modules, experts);
    std::vector<std::uint64_t> ranks = modules.modules[0].ranks;
    ranks.insert(ranks.end(), modules.modules[1].ranks.begin(), modules.modules[1].ranks.end());
    return ranks;
  };
  EXPECT_THAT(ranks_within(0), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(ranks_within(24), ElementsAre(1, 0, 1, 0));
  EXPECT_THAT(ranks_within(32), ElementsAre(1, 1, 1, 0));
  EXPECT_THAT(ranks_within(48), ElementsAre(1, 1, 2, 0));
  EXPECT_THAT(ranks_within(1000), ElementsAre(2, 1, 2, 1));
}

TEST(ChooseRanks, ABudgetForRelativeErrors) {
  SmileModules modules;
  modules.modules = {module(4, 4, 2)};  // a triple costs 8, routers take 8
  modules.base_parameters = 16;
  modules.budget = (16 + 8 + 2 * 8) / 16.0;
  Experts experts;
  experts.of_module = {{expert({4, 2}), expert({1, 0.5})}};
  experts.weights = {20, 1.25};
  choose_ranks(modules, experts);
  EXPECT_THAT(modules.modules[0].ranks, ElementsAre(2, 0));
  modules.relative = true;
  choose_ranks(modules, experts);
  EXPECT_THAT(modules.modules[0].ranks, ElementsAre(1, 1));
}

TEST(ChooseRanks, GivenOnesStay) {
  SmileModules modules;
  modules.modules = {module(4, 4, 1)};
  modules.modules[0].rank_limit = 0;
  EXPECT_FALSE(modules.ranks_follow());
  Experts experts;
  experts.of_module = {{expert({3, 1})}};
  choose_ranks(modules, experts);
  EXPECT_THAT(modules.modules[0].ranks, ElementsAre(1));
}

}  // namespace
}  // namespace merganser
