#include "plan/adapters.h"

#include "adapter/testing.h"
#include "plan/testing.h"

namespace merganser {
namespace {

using test::Bench;
using test::f32;
using test::job;
using test::TestTensor;
using test::write_adapter;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const char* kAdapted = "merge_method: passthrough\nmodels: [{model: base+lora}]\n";
const std::string kRank2 = R"(, "r": 2)";

std::vector<TestTensor> factors(const std::string& module, std::uint64_t out, std::uint64_t in) {
  return {f32(module + ".lora_A.weight", {2, in}), f32(module + ".lora_B.weight", {out, 2})};
}

// A bf16 Llama "base" and the adapter "lora".
struct Adapted : Bench {
  Adapted(const std::string& more, const std::vector<TestTensor>& tensors, bool tied = false) {
    std::vector<TestTensor> weights = test::llama(1, "model.", !tied);
    for (TestTensor& tensor : weights) tensor.dtype = DType::bf16;
    model("base", weights, test::llama_config(1, tied));
    write_adapter(path() / "lora", more, tensors);
  }
};

TEST(Adapters, ChangedTensorsAreReadInF32AndStoredAsTheBase) {
  const Adapted bench(kRank2, factors("model.layers.0.mlp.up_proj", 6, 4));
  const Plan plan = bench.plan(kAdapted);
  const PlanJob& changed = job(plan, "model.layers.0.mlp.up_proj.weight");
  EXPECT_EQ(changed.output.dtype, DType::bf16);
  EXPECT_EQ(plan.dtype(changed.inputs[0]), DType::f32);
  EXPECT_FALSE(changed.f64);
  const PlanJob& other = job(plan, "model.layers.0.self_attn.q_proj.weight");
  EXPECT_EQ(plan.dtype(other.inputs[0]), DType::bf16);
  // The base's stored bytes and the factors'.
  std::uint64_t stored = 0;
  for (const TensorInfo& tensor : plan.outputs()) stored += tensor.bytes();
  EXPECT_EQ(bytes_to_read(plan, 0, false), stored + 2 * (4 + 6) * 4);
  EXPECT_THAT(plan.notes, IsEmpty());
  ASSERT_EQ(plan.models[0].also_read.size(), 1u);
  EXPECT_EQ(plan.models[0].adapter_path, bench.path() / "lora");
}

TEST(Adapters, F64FactorsAreMergedInF64) {
  std::vector<TestTensor> tensors = factors("model.layers.0.mlp.up_proj", 6, 4);
  tensors[0].dtype = DType::f64;
  const Adapted bench(kRank2, tensors);
  const Plan plan = bench.plan(
      "merge_method: linear\nmodels: [{model: base}, {model: base+lora}]\n"
      "parameters: {weight: 0.5}\n");
  EXPECT_TRUE(job(plan, "model.layers.0.mlp.up_proj.weight").f64);
  EXPECT_FALSE(job(plan, "model.layers.0.self_attn.q_proj.weight").f64);
}

TEST(Adapters, TwoScalesAreTwoModels) {
  const Adapted bench(kRank2, factors("model.layers.0.mlp.up_proj", 6, 4));
  const Plan plan = bench.plan(
      "merge_method: linear\nmodels:\n"
      "  - model: {model: base, lora: {path: lora, scale: 0.5}}\n"
      "  - model: base+lora\n  - model: base\nparameters: {weight: 1}\n");
  EXPECT_EQ(plan.models.size(), 3u);
  EXPECT_EQ(plan.checkpoints().size(), 3u);
}

TEST(Adapters, ABaseBehindAPrefix) {
  const Adapted bench(kRank2, factors("wrapped.model.layers.0.mlp.up_proj", 6, 4));
  const Plan plan = bench.plan(kAdapted);
  EXPECT_EQ(plan.dtype(job(plan, "model.layers.0.mlp.up_proj.weight").inputs[0]), DType::f32);
  EXPECT_THAT(plan.notes, ElementsAre(HasSubstr("without the prefix 'wrapped.'")));
}

TEST(Adapters, AGrownVocabularyChangesTheConfig) {
  const Adapted bench(kRank2,
                      {f32("model.embed_tokens.weight", {9, 4}), f32("lm_head.weight", {9, 4})});
  const Plan plan = bench.plan(kAdapted);
  EXPECT_EQ(plan.config->at("vocab_size"), 9);
  EXPECT_THAT(job(plan, "lm_head.weight").output.shape, ElementsAre(9, 4));
  EXPECT_THAT(plan.notes, Contains(HasSubstr("9 tokens where its base has 8")).Times(1));
}

TEST(Adapters, AHeadOfItsOwnIsNoLongerTied) {
  const Adapted own(kRank2, {f32("lm_head.weight", {8, 4})}, true);
  const Plan untied = own.plan(kAdapted);
  EXPECT_EQ(untied.config->at("tie_word_embeddings"), false);
  EXPECT_EQ(job(untied, "lm_head.weight").inputs.size(), 1u);

  const Adapted shared(kRank2,
                       {f32("model.embed_tokens.lora_embedding_A", {2, 8}),
                        f32("model.embed_tokens.lora_embedding_B", {4, 2})},
                       true);
  const Plan tied = shared.plan(kAdapted);
  EXPECT_EQ(tied.config->at("tie_word_embeddings"), true);
  EXPECT_THAT(tied.notes, Contains(HasSubstr("and with it the tied 'lm_head.weight'")));
}

// A task is made from the base's files later on, by a program that has no adapter there.
TEST(Adapters, TasksAreNamedByThemButDoNotStartFromThem) {
  const Adapted bench(kRank2, factors("model.layers.0.mlp.up_proj", 6, 4));
  const std::string recipe = "merge_method: emr\n";
  const Plan plan = bench.plan(recipe + "base_model: base\nmodels: [{model: base+lora}]\n");
  ASSERT_EQ(plan.tasks.size(), 1u);
  EXPECT_EQ(plan.tasks[0].name, "lora");
  EXPECT_THAT(bench.complaint_of(recipe + "base_model: base+lora\nmodels: [{model: base}]\n"),
              HasSubstr("has an adapter"));
}

TEST(Adapters, WhatDoesNotFitIsRefused) {
  const Adapted head(kRank2, factors("lm_head", 8, 4), true);
  EXPECT_THAT(head.complaint_of(kAdapted), HasSubstr("has no tensor 'lm_head.weight'"));
  const Adapted other(kRank2, factors("model.layers.7.mlp.up_proj", 6, 4));
  EXPECT_THAT(other.complaint_of(kAdapted),
              HasSubstr("nearest module there is 'model.layers.0.mlp.up_proj'"));
  const Adapted revised(kRank2, factors("model.layers.0.mlp.up_proj", 6, 4));
  EXPECT_THAT(revised.complaint_of("merge_method: passthrough\nmodels: [{model: base+lora@v1}]\n"),
              HasSubstr("recipe.yml:2:"));
  EXPECT_THAT(revised.complaint_of("merge_method: passthrough\nmodels: [{model: base+nothing}]\n"),
              HasSubstr("not_found"));
  EXPECT_THAT(revised.complaint_of("merge_method: passthrough\nmodels: [{model: lora}]\n"),
              HasSubstr("LoRA adapter"));
}

}  // namespace
}  // namespace merganser
