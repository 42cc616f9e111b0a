#include "plan/jobs.h"

#include "plan/testing.h"

namespace merganser::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const std::string kThree = R"(
merge_method: linear
models: [{model: model_a}, {model: model_b}, {model: model_c}]
parameters: {weight: 1}
)";

std::vector<TestTensor> with(std::vector<TestTensor> tensors, std::vector<TestTensor> more) {
  tensors.insert(tensors.end(), more.begin(), more.end());
  return tensors;
}

// a and b have a classifier, c has none; b alone has a bias to it.
class Heads : public ::testing::Test {
 protected:
  void SetUp() override {
    const Json config = bert_config(1, "BertForSequenceClassification");
    const TestTensor head = f32("classifier.weight", {3, 4});
    bench.model("model_a", with(bert(1, "bert."), {head}), config);
    bench.model("model_b", with(bert(1, "bert."), {head, f32("classifier.bias", {3})}), config);
    bench.model("model_c", bert(1, "bert."), config);
  }
  Bench bench;
};

TEST_F(Heads, InOnlySomeInputsAreAnError) {
  const std::string text = bench.complaint_of(kThree);
  EXPECT_THAT(text, HasSubstr("mismatch"));
  EXPECT_THAT(text, HasSubstr("classifier."));
  EXPECT_THAT(text, HasSubstr("heads: drop"));
}

TEST_F(Heads, AreDropped) {
  const Plan plan = bench.plan(kThree + "heads: drop\n");
  EXPECT_THAT(left_out(plan), ElementsAre("model_a:classifier.weight", "model_b:classifier.bias",
                                          "model_b:classifier.weight"));
  for (const LeftOut& entry : plan.left_out) EXPECT_THAT(entry.reason, HasSubstr("heads: drop"));
  EXPECT_THAT(names_of(plan), ::testing::Each(::testing::Not(HasSubstr("classifier"))));
  expect_complete(plan);
}

TEST_F(Heads, AreKeptFromOneModel) {
  const Plan plan = bench.plan(kThree + "heads: {keep_from: model_b}\n");
  const PlanJob& head = job(plan, "classifier.weight");
  EXPECT_EQ(head.action, PlanJob::Action::copy);
  EXPECT_THAT(input_names(plan, head), ElementsAre("model_b:classifier.weight"));
  EXPECT_EQ(head.output.shape, (Shape{3, 4}));
  EXPECT_THAT(input_names(plan, job(plan, "classifier.bias")),
              ElementsAre("model_b:classifier.bias"));
  EXPECT_THAT(left_out(plan), ElementsAre("model_a:classifier.weight"));
  expect_complete(plan);
}

TEST_F(Heads, TheKeptModelMayHaveNone) {
  const Plan plan = bench.plan(kThree + "heads: {keep_from: model_c}\n");
  EXPECT_THAT(left_out(plan), ElementsAre("model_a:classifier.weight", "model_b:classifier.bias",
                                          "model_b:classifier.weight"));
  expect_complete(plan);
}

TEST_F(Heads, OfAllInputsAreMergedWhateverTheRule) {
  const Plan plan = bench.plan(
      "merge_method: linear\nmodels: [{model: model_a}, {model: model_b}]\n"
      "parameters: {weight: 1}\nheads: drop\n");
  EXPECT_THAT(job(plan, "classifier.weight").inputs, ::testing::SizeIs(2));
  EXPECT_THAT(left_out(plan), ElementsAre("model_b:classifier.bias"));
}

TEST(Buffers, OfTheBaseAreCopied) {
  const TestTensor buffer{"position_ids", DType::i64, {8}};
  for (const bool reference_has_it : {true, false}) {
    Bench bench;
    bench.model("model_a", with({f32("w", {2})}, reference_has_it ? std::vector<TestTensor>{buffer}
                                                                  : std::vector<TestTensor>{}));
    bench.model("model_b", {f32("w", {2}), buffer});
    bench.model("model_c", {f32("w", {2})});
    const Plan plan = bench.plan(kThree + "base_model: model_a\n");
    if (reference_has_it) {
      EXPECT_THAT(input_names(plan, job(plan, "position_ids")),
                  ElementsAre("model_a:position_ids"));
      EXPECT_EQ(job(plan, "position_ids").action, PlanJob::Action::copy);
      EXPECT_EQ(job(plan, "position_ids").output.dtype, DType::i64);
    } else {
      EXPECT_THAT(names_of(plan), ElementsAre("w"));
    }
    EXPECT_THAT(left_out(plan), ElementsAre("model_b:position_ids"));
    expect_complete(plan);
  }
}

TEST(Integers, OfAllInputsFollowTheirOwnRule) {
  Bench bench;
  const std::vector<TestTensor> tensors = {f32("w", {2}), {"ids", DType::i64, {3}}};
  for (const char* name : {"model_a", "model_b", "model_c"}) bench.model(name, tensors);
  const Plan plan = bench.plan(kThree + "base_model: model_b\ndtype: float16\n");
  const PlanJob& ids = job(plan, "ids");
  EXPECT_EQ(ids.action, PlanJob::Action::integers);
  EXPECT_EQ(ids.output.dtype, DType::i64);
  EXPECT_THAT(ids.inputs, ::testing::SizeIs(3));
  ASSERT_TRUE(ids.base);
  EXPECT_EQ(input_name(plan, *ids.base), "model_b:ids");
  EXPECT_EQ(job(plan, "w").output.dtype, DType::f16);
}

TEST(Integers, OfDifferentTypesDoNotFit) {
  Bench bench;
  bench.model("model_a", {{"ids", DType::i64, {3}}});
  bench.model("model_b", {{"ids", DType::i32, {3}}});
  bench.model("model_c", {{"ids", DType::i64, {3}}});
  EXPECT_THAT(bench.complaint_of(kThree), HasSubstr("int32 does not fit int64"));
  bench.model("model_b", {f32("ids", {3})});
  EXPECT_THAT(bench.complaint_of(kThree), HasSubstr("float32 does not fit int64"));
  bench.model("model_a", {f32("ids", {3})});
  EXPECT_THAT(bench.complaint_of(kThree), HasSubstr("int64 does not fit float32"));
}

TEST(Shapes, ThatDifferAreErrorsWithBoth) {
  Bench bench;
  bench.llama_model("model_a", 1);
  bench.llama_model("model_c", 1);
  auto tensors = llama(1);
  tensors[1].shape = {5};
  bench.model("model_b", tensors, llama_config(1));
  const std::string text = bench.complaint_of(kThree);
  EXPECT_THAT(text, HasSubstr("model.norm.weight"));
  EXPECT_THAT(text, HasSubstr("[5] does not fit [4]"));
  EXPECT_THAT(text, HasSubstr("model_b"));
  tensors = llama(1);
  tensors[0].shape = {9, 4};
  bench.model("model_b", tensors, llama_config(1));
  EXPECT_THAT(bench.complaint_of(kThree), HasSubstr("vocabularies differ"));
}

TEST(TiedHeads, TakeTheEmbeddingWhereAModelHasNone) {
  Bench bench;
  bench.model("model_a", llama(1, "model.", false), llama_config(1, true));
  bench.model("model_b", llama(1), llama_config(1));
  const Plan plan = bench.plan(
      "merge_method: linear\nmodels: [{model: model_a}, {model: model_b}]\n"
      "parameters: {weight: 1}\n");
  EXPECT_THAT(input_names(plan, job(plan, "lm_head.weight")),
              ElementsAre("model_a:model.embed_tokens.weight", "model_b:lm_head.weight"));
  EXPECT_THAT(plan.notes, ::testing::Contains(HasSubstr("lm_head.weight")));
  // A config that says "tied" would make a loader drop the head that is written.
  EXPECT_EQ((*plan.config)["tie_word_embeddings"], false);
  expect_complete(plan);
}

TEST(TiedHeads, StayTiedWhereNoModelHasOne) {
  Bench bench;
  for (const char* name : {"model_a", "model_b"}) {
    bench.model(name, llama(1, "model.", false), llama_config(1, true));
  }
  const Plan plan = bench.plan(
      "merge_method: linear\nmodels: [{model: model_a}, {model: model_b}]\n"
      "parameters: {weight: 1}\n");
  EXPECT_THAT(names_of(plan), ::testing::Not(::testing::Contains("lm_head.weight")));
  EXPECT_EQ((*plan.config)["tie_word_embeddings"], true);
}

TEST(TiedHeads, AHeadThatIsReallyMissingIsAnError) {
  Bench bench;
  bench.model("model_a", llama(1, "model.", false), llama_config(1, false));
  bench.model("model_b", llama(1), llama_config(1));
  EXPECT_THAT(
      bench.complaint_of("merge_method: linear\nmodels: [{model: model_a}, {model: model_b}]\n"
                         "parameters: {weight: 1}\n"),
      HasSubstr("lm_head.weight"));
}

TEST(Aliases, AreOneTensorUnderTheReferencesName) {
  Bench bench;
  auto old = bert(1, "bert.");
  old[1].name = "bert.embeddings.LayerNorm.gamma";
  old.push_back(f32("bert.encoder.layer.0.output.LayerNorm.gamma", {4}));
  auto now = bert(1, "bert.");
  now.push_back(f32("bert.encoder.layer.0.output.LayerNorm.weight", {4}));
  const Json config = bert_config(1, "BertForMaskedLM");
  bench.model("model_a", now, config);
  bench.model("model_b", old, config);
  bench.model("model_c", now, config);
  const Plan plan = bench.plan(kThree);
  EXPECT_THAT(names_of(plan), ::testing::Each(::testing::Not(HasSubstr("gamma"))));
  EXPECT_THAT(input_names(plan, job(plan, "bert.embeddings.LayerNorm.weight")),
              ElementsAre("model_a:bert.embeddings.LayerNorm.weight",
                          "model_b:bert.embeddings.LayerNorm.gamma",
                          "model_c:bert.embeddings.LayerNorm.weight"));
  EXPECT_THAT(job(plan, "bert.encoder.layer.0.output.LayerNorm.weight").inputs,
              ::testing::SizeIs(3));
  EXPECT_THAT(plan.notes, ElementsAre(HasSubstr("2 tensors are read under their other names")));
  expect_complete(plan);
}

TEST(Types, FollowTheInputsAndTheRecipe) {
  Bench bench;
  bench.model("model_a", {{"w", DType::bf16, {2}}, {"v", DType::f16, {2}}, {"u", DType::f16, {2}}});
  bench.model("model_b",
              {{"w", DType::bf16, {2}}, {"v", DType::bf16, {2}}, {"u", DType::f64, {2}}});
  const std::string two =
      "merge_method: linear\nmodels: [{model: model_a}, {model: model_b}]\n"
      "parameters: {weight: 1}\n";
  const auto types = [&](const std::string& more) {
    const Plan plan = bench.plan(two + more);
    return std::vector<DType>{job(plan, "u").output.dtype, job(plan, "v").output.dtype,
                              job(plan, "w").output.dtype};
  };
  EXPECT_THAT(types(""), ElementsAre(DType::f64, DType::f32, DType::bf16));
  EXPECT_THAT(types("dtype: float16\n"), ElementsAre(DType::f16, DType::f16, DType::f16));
  EXPECT_THAT(types("dtype: float16\nout_dtype: bfloat16\n"),
              ElementsAre(DType::bf16, DType::bf16, DType::bf16));
  const Plan plan = bench.plan(two + "dtype: float16\n");
  EXPECT_TRUE(job(plan, "u").f64);
  EXPECT_FALSE(job(plan, "v").f64);
}

TEST(Weights, OfZeroAreNamedButNotRead) {
  Bench bench;
  for (const char* name : {"model_a", "model_b", "model_c"}) bench.model(name, {f32("w", {2})});
  const auto planned = [&](const std::string& weights) {
    return bench.plan(
        "merge_method: linear\nmodels: [{model: model_a}, {model: model_b}, "
        "{model: model_c}]\nparameters: {weight: " +
        weights + "}\n");
  };
  const Plan plan = planned("{blocks: {default: 1}}");
  EXPECT_THAT(job(plan, "w").inputs, ::testing::SizeIs(3));
  const Plan one = bench.plan(
      "merge_method: linear\nmodels: [{model: model_a, parameters: {weight: 0}}, "
      "{model: model_b, parameters: {weight: 2}}, {model: model_c, parameters: {weight: 1}}]\n");
  EXPECT_THAT(input_names(one, job(one, "w")), ElementsAre("model_b:w", "model_c:w"));
  EXPECT_THAT(job(one, "w").settings.numbers("weight"), ElementsAre(2, 1));
  ASSERT_THAT(job(one, "w").unread, ::testing::SizeIs(1));
  EXPECT_EQ(input_name(one, job(one, "w").unread[0]), "model_a:w");
  expect_complete(one);
  EXPECT_EQ(bytes_to_read(one, 0, false), 16u);
}

TEST(Weights, CopiesNameTheOthersAsUnread) {
  Bench bench;
  for (const char* name : {"model_a", "model_b"}) bench.model(name, {f32("w", {2})});
  const Plan plan = bench.plan(
      "merge_method: slerp\nbase_model: model_a\nmodels: [{model: model_a}, {model: model_b}]\n"
      "parameters: {t: 1}\n");
  const PlanJob& w = job(plan, "w");
  EXPECT_EQ(w.action, PlanJob::Action::copy);
  EXPECT_THAT(input_names(plan, w), ElementsAre("model_b:w"));
  EXPECT_FALSE(w.base);
  ASSERT_THAT(w.unread, ::testing::SizeIs(1));
  EXPECT_EQ(input_name(plan, w.unread[0]), "model_a:w");
  expect_complete(plan);
}

TEST(Settings, PerInputFiltersSeeTheSourcesLayers) {
  Bench bench;
  bench.llama_model("model_a", 3);
  bench.llama_model("model_b", 3);
  // weight: per input, filtered by the input's layer; normalize: shared, by the output's.
  const Plan plan = bench.plan(R"(
merge_method: linear
slices:
- sources:
  - model: model_a
    layer_range: [2, 3]
    parameters: {weight: [{filter: layers.2., value: 5}, {value: 1}]}
  - model: model_b
    layer_range: [1, 2]
    parameters: {weight: [{filter: layers.0., value: 7}, {value: 2}]}
parameters: {normalize: [{filter: layers.0., value: false}, {value: true}]}
)");
  const PlanJob& one = job(plan, "model.layers.0.mlp.up_proj.weight");
  EXPECT_THAT(one.settings.numbers("weight"), ElementsAre(5, 2));
  EXPECT_FALSE(one.settings.flag("normalize"));
  EXPECT_TRUE(job(plan, "model.norm.weight").settings.flag("normalize"));
}

TEST(Settings, Precedence) {
  Bench bench;
  bench.llama_model("model_a", 2);
  bench.llama_model("model_b", 2);
  const Plan plan = bench.plan(R"(
merge_method: linear
slices:
- sources:
  - {model: model_a, layer_range: [0, 1], parameters: {weight: 2}}
  - {model: model_b, layer_range: [0, 1]}
  parameters: {weight: 3}
- sources:
  - {model: model_a, layer_range: [1, 2], parameters: {weight: {filter: mlp, value: 4}}}
  - {model: model_b, layer_range: [1, 2]}
parameters: {weight: 5}
)");
  EXPECT_THAT(job(plan, "model.layers.0.mlp.up_proj.weight").settings.numbers("weight"),
              ElementsAre(2, 3));
  EXPECT_THAT(job(plan, "model.layers.1.mlp.up_proj.weight").settings.numbers("weight"),
              ElementsAre(4, 5));
  EXPECT_THAT(job(plan, "model.layers.1.input_layernorm.weight").settings.numbers("weight"),
              ElementsAre(5, 5));
}

TEST(Settings, AFilterThatLeavesATensorWithoutAValueIsAnError) {
  Bench bench;
  bench.llama_model("model_a", 1);
  bench.llama_model("model_b", 1);
  const std::string text = bench.complaint_of(
      "merge_method: linear\nmodels: [{model: model_a}, {model: model_b}]\n"
      "parameters: {weight: {filter: mlp, value: 1}}\n");
  EXPECT_THAT(text, HasSubstr("parameter 'weight' is missing for"));
  EXPECT_THAT(text, HasSubstr("recipe.yml"));
}

TEST(Settings, AMethodsRefusalNamesTensorAndRecipe) {
  Bench bench;
  for (const char* name : {"model_a", "model_b"}) bench.model(name, {f32("w", {2})});
  const std::string text = bench.complaint_of(
      "merge_method: linear\nmodels: [{model: model_a, parameters: {weight: 1}}, "
      "{model: model_b, parameters: {weight: -1}}]\n");
  EXPECT_THAT(text, HasSubstr("recipe.yml"));
  EXPECT_THAT(text, HasSubstr("tensor 'w'"));
  EXPECT_THAT(text, HasSubstr("the weights sum to 0"));
}

// One threshold over all tensors needs the same densities everywhere; known before any work.
TEST(Settings, WholeModelTiesRefusesAGradientOfDensities) {
  Bench bench;
  bench.llama_model("model_a", 2);
  bench.llama_model("model_b", 2);
  const std::string text = bench.complaint_of(
      "merge_method: ties\nbase_model: model_a\nmodels: [{model: model_a}, {model: model_b}]\n"
      "parameters: {weight: 1, density: [0.2, 0.8], trim_scope: model}\n");
  EXPECT_THAT(text, HasSubstr("needs the same density"));
}

}  // namespace
}  // namespace merganser::test
