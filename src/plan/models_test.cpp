#include "plan/models.h"

#include "plan/testing.h"

namespace merganser::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kAverage = R"(
merge_method: linear
models: [{model: model_a}, {model: model_b}]
parameters: {weight: 1}
)";

TEST(Bridge, APrefixLessModelJoinsAReferenceWithOne) {
  Bench bench;
  bench.model("model_a", bert(2, "bert."), bert_config(2, "BertForMaskedLM"));
  bench.model("model_b", bert(2, ""), bert_config(2));
  const Plan plan = bench.plan(kAverage);
  EXPECT_EQ(plan.models[1].prefix_added, "bert.");
  EXPECT_EQ(plan.models[1].prefix_removed, "");
  EXPECT_EQ(plan.jobs.size(), 7u);
  EXPECT_THAT(input_names(plan, job(plan, "bert.pooler.dense.weight")),
              ElementsAre("model_a:bert.pooler.dense.weight", "model_b:pooler.dense.weight"));
  EXPECT_THAT(plan.notes, ::testing::Contains(HasSubstr("with the prefix 'bert.'")));
  expect_complete(plan);
}

TEST(Bridge, APrefixIsTakenOff) {
  Bench bench;
  bench.model("model_a", bert(2, ""), bert_config(2));
  bench.model("model_b", bert(2, "bert."), bert_config(2, "BertForMaskedLM"));
  const Plan plan = bench.plan(kAverage);
  EXPECT_EQ(plan.models[1].prefix_removed, "bert.");
  EXPECT_THAT(names_of(plan), ::testing::Each(::testing::Not(HasSubstr("bert."))));
  EXPECT_THAT(plan.notes, ::testing::Contains(HasSubstr("without the prefix 'bert.'")));
  EXPECT_THAT(job(plan, "encoder.layer.1.output.dense.weight").inputs, ::testing::SizeIs(2));
  expect_complete(plan);
}

TEST(Bridge, TheBaseIsTheReference) {
  Bench bench;
  bench.model("model_a", bert(1, "bert."), bert_config(1, "BertForMaskedLM"));
  bench.model("model_b", bert(1, ""), bert_config(1));
  const Plan plan = bench.plan(std::string(kAverage) + "base_model: model_b\n");
  EXPECT_EQ(plan.reference, 1u);
  EXPECT_EQ(plan.models[0].prefix_removed, "bert.");
  EXPECT_EQ(plan.models[1].prefix_removed, "");
}

TEST(Bridge, NotWhereNamesAreEqualAlready) {
  Bench bench;
  bench.llama_model("model_a", 2);
  bench.llama_model("model_b", 2);
  const Plan plan = bench.plan(kAverage);
  EXPECT_EQ(plan.models[1].prefix_added + plan.models[1].prefix_removed, "");
  EXPECT_THAT(plan.notes, IsEmpty());
}

TEST(Bridge, NotWhereTwoPrefixesDoAsWell) {
  Bench bench;
  // "x." and "y." hold the same names: which of them is meant?
  bench.model("model_a", {f32("one.w", {2}), f32("two.w", {2}), f32("three.w", {2})});
  bench.model("model_b", {f32("x.one.w", {2}), f32("x.two.w", {2}), f32("x.three.w", {2}),
                          f32("y.one.w", {2}), f32("y.two.w", {2}), f32("y.three.w", {2})});
  const std::string text = bench.complaint_of(kAverage);
  EXPECT_THAT(text, HasSubstr("mismatch"));
  const Plan plan = bench.plan(std::string(kAverage) + "heads: {keep_from: model_a}\n");
  EXPECT_EQ(plan.models[1].prefix_removed, "");
  EXPECT_THAT(names_of(plan), ElementsAre("one.w", "three.w", "two.w"));
  expect_complete(plan);
}

TEST(Bridge, TwoNamesThatMeetAreAnError) {
  Bench bench;
  bench.model("model_a", {f32("one.w", {2}), f32("two.w", {2}), f32("three.w", {2})});
  bench.model("model_b",
              {f32("x.one.w", {2}), f32("x.two.w", {2}), f32("x.three.w", {2}), f32("one.w", {2})});
  const std::string text = bench.complaint_of(kAverage);
  EXPECT_THAT(text, HasSubstr("'one.w' and 'x.one.w' both become 'one.w'"));
  EXPECT_THAT(text, HasSubstr("model_b"));
}

TEST(OpenModels, LooksBesideTheRecipe) {
  Bench bench;
  bench.llama_model("model_a", 1);
  std::filesystem::create_directories(bench.path() / "deeper");
  const auto planned = [&](const std::string& ref, const std::filesystem::path& recipe_file) {
    Recipe recipe = parse_recipe("merge_method: passthrough\nmodels: [{model: '" + ref + "'}]\n",
                                 recipe_file.string());
    return make_plan(std::move(recipe), require_method("passthrough"), {});
  };
  EXPECT_EQ(planned("model_a", bench.path() / "r.yml").models[0].path, bench.path() / "model_a");
  EXPECT_TRUE(std::filesystem::equivalent(
      planned("../model_a", bench.path() / "deeper/r.yml").models[0].path,
      bench.path() / "model_a"));
  EXPECT_EQ(planned((bench.path() / "model_a").string(), "/nowhere/r.yml").models[0].path,
            bench.path() / "model_a");
  const auto error = error_of([&] { planned("model_b", bench.path() / "r.yml"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::not_found);
}

TEST(OpenModels, WhatIsWrongWithOneNamesIt) {
  Bench bench;
  bench.llama_model("model_a", 2);
  bench.model("model_b", llama(3), llama_config(2));
  const std::string text = bench.complaint_of(kAverage);
  EXPECT_THAT(text, HasSubstr((bench.path() / "model_b").string()));
  EXPECT_THAT(text, HasSubstr("the config of another model"));
}

TEST(MixedArchitectures, AreRefusedWithoutTheFlag) {
  Bench bench;
  bench.llama_model("model_a", 1);
  bench.model("model_b", bert(1, ""), bert_config(1));
  const std::string text = bench.complaint_of(kAverage);
  EXPECT_THAT(text, HasSubstr("mismatch"));
  EXPECT_THAT(text, HasSubstr("bert"));
  EXPECT_THAT(text, HasSubstr("llama"));
  EXPECT_THAT(text, HasSubstr("--allow-mixed-architectures"));
  // With it: the differences that make it impossible.
  EXPECT_THAT(bench.complaint_of(kAverage, {.allow_mixed_architectures = true}),
              HasSubstr("do not fit among"));
}

TEST(MixedArchitectures, StackWhereTheyFit) {
  Bench bench;
  bench.llama_model("model_a", 2);
  Json config = llama_config(2);
  config["architectures"] = {"MistralForCausalLM"};
  config["model_type"] = "mistral";
  bench.model("model_b", llama(2), config);
  const char* stack = R"(
merge_method: passthrough
slices:
- sources: [{model: model_a, layer_range: [0, 2]}]
- sources: [{model: model_b, layer_range: [1, 2]}]
)";
  EXPECT_THAT(bench.complaint_of(stack), HasSubstr("mistral"));
  const Plan plan = bench.plan(stack, {.allow_mixed_architectures = true});
  EXPECT_THAT(input_names(plan, job(plan, "model.layers.2.mlp.up_proj.weight")),
              ElementsAre("model_b:model.layers.1.mlp.up_proj.weight"));
  expect_complete(plan);
}

}  // namespace
}  // namespace merganser::test
