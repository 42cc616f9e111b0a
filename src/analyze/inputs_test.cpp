#include "analyze/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analyze/testing.h"

namespace merganser::test {
namespace {

TestWeights weights(const std::string& name, const Shape& shape) {
  return {name, shape, normal_numbers(elements(shape), 1)};
}

const AnalysedTensor& tensor(const AnalysisInputs& inputs, const std::string& name) {
  for (const AnalysedTensor& one : inputs.tensors) {
    if (one.name == name) return one;
  }
  throw std::runtime_error("no tensor " + name);
}

TEST(MatchTensors, KnowsThePartsOfAModel) {
  const std::string layer = "model.layers.0.";
  TestModels models;
  for (int m = 0; m < 2; ++m) {
    models.add(
        {weights("lm_head.weight", {8, 4}), weights("model.embed_tokens.weight", {8, 4}),
         weights(layer + "input_layernorm.weight", {4}),
         weights(layer + "mlp.experts.0.up_proj.weight", {4, 4}),
         weights(layer + "norm1.linear.bias", {4}), weights(layer + "norm1.linear.weight", {4, 4}),
         weights(layer + "self_attn.q_proj.bias", {4}),
         weights(layer + "self_attn.q_proj.weight", {4, 4}), weights("model.norm.weight", {4})});
  }
  const AnalysisInputs inputs = models.inputs();
  const auto part = [&](const std::string& name) { return name_of(tensor(inputs, name).part); };
  EXPECT_EQ(part("lm_head.weight"), "head");
  EXPECT_EQ(part("model.embed_tokens.weight"), "embedding");
  EXPECT_EQ(part(layer + "input_layernorm.weight"), "norm");
  EXPECT_EQ(part("model.norm.weight"), "norm");
  EXPECT_EQ(part(layer + "norm1.linear.weight"), "linear");  // of an adaptive norm
  EXPECT_TRUE(tensor(inputs, layer + "norm1.linear.weight").upscaled);
  EXPECT_EQ(part(layer + "self_attn.q_proj.bias"), "bias");
  EXPECT_EQ(part(layer + "self_attn.q_proj.weight"), "linear");
  EXPECT_EQ(part(layer + "mlp.experts.0.up_proj.weight"), "linear");
  EXPECT_TRUE(tensor(inputs, layer + "self_attn.q_proj.weight").upscaled);
  EXPECT_TRUE(tensor(inputs, layer + "self_attn.q_proj.bias").expert_bias);
  EXPECT_FALSE(tensor(inputs, layer + "mlp.experts.0.up_proj.weight").upscaled);
  EXPECT_EQ(tensor(inputs, layer + "self_attn.q_proj.weight").place.layer, 0u);
  EXPECT_EQ(inputs.short_name(0), "tune1.safetensors");
}

TEST(MatchTensors, LeavesOutWhatDoesNotFitAndSaysWhy) {
  TestModels models;
  models.add({weights("a", {2, 3}), weights("b", {4}), weights("c", {5})});
  models.add({weights("a", {2, 3}), weights("b", {5}), weights("d", {5})});
  const AnalysisInputs inputs = models.inputs();
  ASSERT_EQ(inputs.tensors.size(), 1u);
  EXPECT_EQ(inputs.tensors[0].name, "a");
  std::vector<std::string> reasons;
  for (const LeftOut& entry : inputs.left_out) {
    reasons.push_back(entry.tensor + ": " + entry.reason);
  }
  EXPECT_THAT(reasons,
              testing::ElementsAre("b: shape [5] does not fit [4] of the base",
                                   testing::StartsWith("c: not in "), "d: not in the base"));
}

TEST(MatchTensors, RefusesWhatHasNothingInCommon) {
  TestModels models;
  models.add({weights("a", {2})});
  models.add({weights("b", {2})});
  EXPECT_THAT(complaint([&] { models.inputs(); }), testing::HasSubstr("no tensor fits"));
}

}  // namespace
}  // namespace merganser::test
