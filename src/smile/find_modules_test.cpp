#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/testing.h"
#include "smile/expand.h"
#include "smile/experts.h"

namespace merganser::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kRecipe =
    "{merge_method: smile, base_model: base, models: [{model: a}, {model: b}], parameters: {";

class FindModules : public ::testing::Test {
 protected:
  FindModules() {
    for (const char* name : {"base", "a", "b"}) bench_.llama_model(name, 2);
  }

  Plan plan(const std::string& parameters) const {
    return bench_.plan(std::string(kRecipe) + parameters + "}}");
  }
  std::vector<std::string> names(const std::string& parameters) const {
    std::vector<std::string> names;
    for (const SmileModule& each : find_smile_modules(plan(parameters)).modules) {
      names.push_back(each.name);
    }
    return names;
  }
  std::string refused(const std::string& parameters) const {
    return complaint([&] {
      const Plan made = plan(parameters);
      SmileModules modules = find_smile_modules(made);
      complete_modules(made, modules);
    });
  }

  Bench bench_;
};

TEST_F(FindModules, TheLinearLayersOfTheBlocks) {
  EXPECT_THAT(names(""),
              ElementsAre("model.layers.0.mlp.up_proj", "model.layers.0.self_attn.q_proj",
                          "model.layers.1.mlp.up_proj", "model.layers.1.self_attn.q_proj"));
  EXPECT_THAT(names("upscale: [{filter: lm_head, value: true}, {value: false}]"),
              ElementsAre("lm_head"));
  // Tables are none, whatever is asked.
  EXPECT_THAT(
      names("upscale: true"),
      ElementsAre("lm_head", "model.layers.0.mlp.up_proj", "model.layers.0.self_attn.q_proj",
                  "model.layers.1.mlp.up_proj", "model.layers.1.self_attn.q_proj"));
  EXPECT_THAT(refused("upscale: false"), HasSubstr("no linear layer"));
}

TEST_F(FindModules, RanksAreCutToWhatALayerHas) {
  const SmileModules found = find_smile_modules(plan("rank_of_expert: 5, rank_of_router: 9"));
  for (const SmileModule& each : found.modules) {
    EXPECT_EQ(each.in, 4);
    EXPECT_EQ(each.out, each.name.ends_with("up_proj") ? 6 : 4);
    EXPECT_THAT(each.ranks, ElementsAre(4, 4));
    EXPECT_EQ(each.router_rank, 4);
    EXPECT_FALSE(each.dense);
  }
  EXPECT_EQ(found.notes.size(), 2);
  EXPECT_TRUE(find_smile_modules(plan("rank_of_expert: 0")).modules[0].dense);
}

TEST_F(FindModules, FusionBenchHasOneRank) {
  EXPECT_THAT(refused("layout: fusion_bench, rank_of_expert: 5"), HasSubstr("more than 4"));
  EXPECT_THAT(refused("layout: fusion_bench, rank_of_expert: [1, 2]"), HasSubstr("one rank"));
  // Its routers may ask for more than there is: zeros.
  const SmileModules found =
      find_smile_modules(plan("layout: fusion_bench, rank_of_expert: 2, rank_of_router: 9"));
  EXPECT_EQ(found.modules[0].router_rank, 9);
  EXPECT_THAT(refused("layout: fusion_bench, rank_of_expert: 2, "
                      "upscale: [{filter: lm_head, value: true}, {filter: layers, value: true}, "
                      "{value: false}]"),
              HasSubstr("lm_head"));
}

TEST_F(FindModules, LayersThatAreNotChosenGetZerosInFusionBench) {
  const Plan made = plan(
      "layout: fusion_bench, rank_of_expert: 2, upscale: [{filter: mlp, value: true}, {value: "
      "false}]");
  SmileModules modules = find_smile_modules(made);
  EXPECT_EQ(modules.modules.size(), 2);
  complete_modules(made, modules);
  ASSERT_EQ(modules.modules.size(), 4);
  EXPECT_TRUE(modules.modules[1].empty);
  EXPECT_EQ(modules.modules[1].name, "model.layers.0.self_attn.q_proj");
  const Plan expanded = expand(made, modules);
  EXPECT_EQ(job(expanded, "model.layers.0.self_attn.q_proj.experts.1.u").output.shape,
            (Shape{4, 2}));
}

TEST_F(FindModules, BudgetsStartFromOneRankForAll) {
  const SmileModules found = find_smile_modules(plan("parameter_budget: 2, rank_of_router: 1"));
  // Routers take 4 * 2 * 4 = 32; a triple of all four layers and both experts 72.
  EXPECT_EQ(found.base_parameters, 156);
  EXPECT_EQ(factor_parameters(found), 156 - 32);
  for (const SmileModule& each : found.modules) {
    EXPECT_THAT(each.ranks, ElementsAre(1, 1));
    EXPECT_EQ(each.rank_limit, 4);
  }
  EXPECT_THAT(refused("parameter_budget: 1.1, rank_of_router: 1"), HasSubstr("no room"));
}

TEST_F(FindModules, APaddedBudgetHasAnEnd) {
  const auto rank_within = [&](const std::string& budget) {
    const Plan made =
        plan("layout: fusion_bench, rank_of_router: 1, pad: true, parameter_budget: " + budget);
    SmileModules modules = find_smile_modules(made);
    complete_modules(made, modules);
    return modules.modules[0].ranks[0];
  };
  EXPECT_EQ(rank_within("2"), 1u);
  EXPECT_EQ(rank_within("20"), 4u) << "no layer has more singular triples";
  EXPECT_EQ(rank_within("1e300"), 4u);
  const SmileModules found = find_smile_modules(plan("parameter_budget: 1e300"));
  EXPECT_THAT(found.modules[0].ranks, ElementsAre(4, 4));
  EXPECT_GT(factor_parameters(found), std::uint64_t{1} << 50);
}

TEST_F(FindModules, ZerosNeedNoRoomOnTheDisk) {
  const auto bytes_of = [&](const std::string& parameters) {
    const Plan made = plan("layout: fusion_bench, " + parameters);
    return scratch_bytes(made, find_smile_modules(made));
  };
  const std::uint64_t all = bytes_of("rank_of_expert: 4, rank_of_router: 4");
  EXPECT_EQ(bytes_of("rank_of_expert: 4000, rank_of_router: 4000, pad: true"), all);
}

TEST_F(FindModules, ParametersThatWouldSayNothing) {
  EXPECT_THAT(refused("pad: true"), HasSubstr("fusion_bench"));
  EXPECT_THAT(refused("budget_by: relative_error"), HasSubstr("parameter_budget"));
  EXPECT_THAT(refused("budget_by: relative_error, energy: 0.9"), HasSubstr("parameter_budget"));
  EXPECT_THAT(refused("budget_by: relative_error, parameter_budget: 2, layout: fusion_bench"),
              HasSubstr("nothing to spread"));
  EXPECT_EQ(refused("budget_by: relative_error, parameter_budget: 2, rank_of_router: 1"),
            "no error");
}

TEST_F(FindModules, TheExpandedPlan) {
  const Plan made = plan("rank_of_expert: 3, rank_of_router: 2");
  const SmileModules modules = find_smile_modules(made);
  const Plan expanded = expand(made, modules);
  const std::string name = "model.layers.1.mlp.up_proj";
  EXPECT_EQ(job(expanded, name + ".weight").action, PlanJob::Action::copy);
  const PlanJob& inside = job(expanded, name + ".smile_in");
  EXPECT_EQ(inside.action, PlanJob::Action::make);
  EXPECT_EQ(inside.output.shape, (Shape{6, 4}));
  EXPECT_EQ(inside.inputs.size(), 2);
  EXPECT_EQ(input_name(expanded, *inside.base), "base:" + name + ".weight");
  EXPECT_EQ(job(expanded, name + ".smile_out").output.shape, (Shape{6, 6}));
  EXPECT_EQ(job(expanded, name + ".smile_router").output.shape, (Shape{4, 4}));
  const PlanJob& head = job(expanded, "lm_head.weight");
  EXPECT_EQ(head.action, PlanJob::Action::copy);
  EXPECT_EQ(head.unread.size(), 2);
  EXPECT_EQ(expanded.files.size(), 2);
}

}  // namespace
}  // namespace merganser::test
