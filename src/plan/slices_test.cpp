#include "plan/slices.h"

#include "plan/testing.h"

namespace merganser::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Slices, RepeatLayers) {
  Bench bench;
  bench.llama_model("model_a", 3);
  const Plan plan = bench.plan(R"(
merge_method: passthrough
slices:
- sources: [{model: model_a, layer_range: [0, 2]}]
- sources: [{model: model_a, layer_range: [1, 3]}]
)");
  for (const auto& [layer, from] : std::map<int, int>{{0, 0}, {1, 1}, {2, 1}, {3, 2}}) {
    const std::string stem = ".mlp.up_proj.weight";
    EXPECT_THAT(input_names(plan, job(plan, "model.layers." + std::to_string(layer) + stem)),
                ElementsAre("model_a:model.layers." + std::to_string(from) + stem));
  }
  EXPECT_EQ(plan.jobs.size(), 3u + 4 * 3);
  expect_complete(plan);
  EXPECT_EQ((*plan.config)["num_hidden_layers"], 4);
}

TEST(Slices, ListWhatIsInNone) {
  Bench bench;
  bench.llama_model("model_a", 3);
  const Plan plan = bench.plan(R"(
merge_method: passthrough
slices:
- sources: [{model: model_a, layer_range: [0, 1]}]
- sources: [{model: model_a, layer_range: [2, 3]}]
)");
  EXPECT_THAT(left_out(plan), ElementsAre("model_a:model.layers.1.input_layernorm.weight",
                                          "model_a:model.layers.1.mlp.up_proj.weight",
                                          "model_a:model.layers.1.self_attn.q_proj.weight"));
  EXPECT_THAT(plan.left_out[0].reason, HasSubstr("layer 1"));
  expect_complete(plan);
}

TEST(Slices, RangesBeyondTheModelAreErrors) {
  Bench bench;
  bench.llama_model("model_a", 3);
  const std::string text = bench.complaint_of(R"(
merge_method: passthrough
slices:
- sources: [{model: model_a, layer_range: [1, 4]}]
)");
  EXPECT_THAT(text, HasSubstr("mismatch"));
  EXPECT_THAT(text, HasSubstr("[1, 4)"));
  EXPECT_THAT(text, HasSubstr("3 layers"));
  EXPECT_THAT(text, HasSubstr("recipe.yml:4:"));
}

TEST(Slices, ModelsOfUnequalDepthAreErrors) {
  Bench bench;
  bench.llama_model("model_a", 3);
  bench.llama_model("model_b", 2);
  const std::string text = bench.complaint_of(
      "merge_method: linear\nmodels: [{model: model_a}, {model: model_b}]\n"
      "parameters: {weight: 1}\n");
  EXPECT_THAT(text, HasSubstr("it has 2 layers, but"));
  EXPECT_THAT(text, HasSubstr("has 3"));
}

// The slices' layers get t = 0, 1/2, 1 and, for a slice of one, 1; what stands before and after the
// layers gets 0.
TEST(Slices, GradientPositions) {
  Bench bench;
  bench.llama_model("model_a", 4);
  const Plan plan = bench.plan(R"(
merge_method: passthrough
slices:
- sources: [{model: model_a, layer_range: [0, 3]}]
- sources: [{model: model_a, layer_range: [3, 4]}]
parameters: {scale: [2, 4, 8]}
)");
  const auto scale_of = [&](const std::string& name) {
    return job(plan, name).settings.number("scale", 0);
  };
  EXPECT_EQ(scale_of("model.layers.0.mlp.up_proj.weight"), 2);
  EXPECT_EQ(scale_of("model.layers.1.mlp.up_proj.weight"), 4);
  EXPECT_EQ(scale_of("model.layers.2.mlp.up_proj.weight"), 8);
  EXPECT_EQ(scale_of("model.layers.3.mlp.up_proj.weight"), 8);
  EXPECT_EQ(scale_of("model.embed_tokens.weight"), 2);
  EXPECT_EQ(scale_of("model.norm.weight"), 2);
  EXPECT_EQ(scale_of("lm_head.weight"), 2);
}

TEST(Slices, LooseWeightsComeFromTheFirstAndTheLastSlice) {
  Bench bench;
  bench.llama_model("model_a", 2);
  bench.llama_model("model_b", 2);
  const Plan plan = bench.plan(R"(
merge_method: passthrough
slices:
- sources: [{model: model_a, layer_range: [0, 2]}]
  parameters: {scale: 2}
- sources: [{model: model_b, layer_range: [0, 2]}]
  parameters: {scale: 3}
)");
  EXPECT_THAT(input_names(plan, job(plan, "model.embed_tokens.weight")),
              ElementsAre("model_a:model.embed_tokens.weight"));
  EXPECT_THAT(input_names(plan, job(plan, "model.norm.weight")),
              ElementsAre("model_b:model.norm.weight"));
  EXPECT_THAT(input_names(plan, job(plan, "lm_head.weight")),
              ElementsAre("model_b:lm_head.weight"));
  EXPECT_EQ(job(plan, "model.embed_tokens.weight").settings.number("scale", 0), 2);
  EXPECT_EQ(job(plan, "lm_head.weight").settings.number("scale", 0), 3);
  expect_complete(plan);
}

TEST(Slices, AnUnlistedBaseIsAppended) {
  Bench bench;
  for (const char* name : {"model_a", "model_b", "model_c"}) bench.llama_model(name, 2);
  // linear: one more input, last.
  const Plan average = bench.plan(R"(
merge_method: linear
base_model: model_c
models: [{model: model_a}, {model: model_b}]
parameters: {weight: 1}
)");
  EXPECT_THAT(input_names(average, job(average, "model.norm.weight")),
              ElementsAre("model_a:model.norm.weight", "model_b:model.norm.weight",
                          "model_c:model.norm.weight"));
  EXPECT_EQ(average.reference, 2u);
  // task_arithmetic: the origin, not an input.
  const Plan task = bench.plan(R"(
merge_method: task_arithmetic
base_model: model_c
slices:
- sources: [{model: model_a, layer_range: [1, 2]}, {model: model_b, layer_range: [0, 1]}]
parameters: {weight: 1}
)");
  const PlanJob& one = job(task, "model.layers.0.mlp.up_proj.weight");
  EXPECT_THAT(input_names(task, one), ElementsAre("model_a:model.layers.1.mlp.up_proj.weight",
                                                  "model_b:model.layers.0.mlp.up_proj.weight"));
  ASSERT_TRUE(one.base);
  EXPECT_EQ(input_name(task, *one.base), "model_c:model.layers.1.mlp.up_proj.weight");
  expect_complete(task);
}

// passthrough and linear have no part for a base: it lends its config, as in MergeKit.
TEST(Slices, AnUnlistedBaseOfStackedLayersIsNoInput) {
  Bench bench;
  for (const char* name : {"model_a", "model_b"}) bench.llama_model(name, 2);
  const Plan plan = bench.plan(R"(
merge_method: passthrough
base_model: model_b
slices:
- sources: [{model: model_a, layer_range: [0, 2]}]
)");
  EXPECT_EQ(plan.reference, 1u);
  for (const PlanJob& one : plan.jobs) EXPECT_EQ(one.inputs.at(0).model, 0u) << one.output.name;
  expect_complete(plan);
}

TEST(Slices, ASliceMayHaveABaseOfItsOwn) {
  Bench bench;
  for (const char* name : {"model_a", "model_b", "model_c"}) bench.llama_model(name, 2);
  const Plan plan = bench.plan(R"(
merge_method: slerp
base_model: model_a
slices:
- sources: [{model: model_a, layer_range: [0, 1]}, {model: model_b, layer_range: [0, 1]}]
- sources: [{model: model_a, layer_range: [1, 2]}, {model: model_c, layer_range: [1, 2]}]
  base_model: model_c
parameters: {t: 0.5}
)");
  const PlanJob& second = job(plan, "model.layers.1.mlp.up_proj.weight");
  EXPECT_EQ(second.base->model, 2u);
  EXPECT_EQ(second.inputs[0].model, 0u);
  EXPECT_EQ(job(plan, "model.layers.0.mlp.up_proj.weight").base->model, 0u);
  EXPECT_EQ(job(plan, "lm_head.weight").base->model, 2u);
  expect_complete(plan);
}

TEST(Slices, UnknownModulesAreErrors) {
  Bench bench;
  bench.llama_model("model_a", 1);
  EXPECT_THAT(bench.complaint_of("merge_method: passthrough\n"
                                 "modules: {decoder: {models: [{model: model_a}]}}\n"),
              HasSubstr("module 'decoder' is not part of this architecture"));
}

}  // namespace
}  // namespace merganser::test
