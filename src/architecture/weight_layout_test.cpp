#include "architecture/weight_layout.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

namespace merganser {
namespace {

Architecture resolved(const char* config, const std::vector<std::string>& names) {
  std::vector<TensorInfo> tensors;
  for (const std::string& name : names) tensors.push_back({name, DType::f32, {4, 4}});
  const Json json = Json::parse(config);
  return Architecture::resolve(&json, tensors);
}

TEST(WeightLayout, Gpt2sLayersAreInputFirst) {
  const auto gpt2 = resolved(
      R"({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_layer": 1})",
      {"transformer.wte.weight", "transformer.h.0.attn.c_attn.weight",
       "transformer.h.0.ln_1.weight", "transformer.h.0.mlp.c_fc.weight", "lm_head.weight"});
  EXPECT_TRUE(is_input_first(gpt2, "transformer.h.0.attn.c_attn.weight"));
  EXPECT_FALSE(is_input_first(gpt2, "lm_head.weight"));
  EXPECT_FALSE(is_input_first(gpt2, "transformer.wte.weight"));
}

TEST(WeightLayout, OthersAreNot) {
  const auto llama = resolved(
      R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 1})",
      {"model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight", "model.norm.weight",
       "model.layers.0.mlp.up_proj.weight"});
  EXPECT_FALSE(is_input_first(llama, "model.layers.0.self_attn.q_proj.weight"));
  EXPECT_FALSE(is_input_first(resolved("{}", {"h.0.attn.c_attn.weight", "h.1.attn.c_attn.weight"}),
                              "h.0.attn.c_attn.weight"));
}

TEST(WeightLayout, ModulesOfOldCheckpointsGetTheirWrapper) {
  const char* config = R"({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2",
                           "n_layer": 1})";
  const auto bare = resolved(config, {"wte.weight", "wpe.weight", "h.0.attn.c_attn.weight",
                                      "h.0.ln_1.weight", "h.0.mlp.c_fc.weight", "ln_f.weight"});
  EXPECT_EQ(module_in_class(bare, "h.0.attn.c_attn"), "transformer.h.0.attn.c_attn");
  EXPECT_EQ(module_in_class(bare, "wte"), "transformer.wte");
  EXPECT_EQ(module_in_class(bare, "lm_head"), "lm_head");
  const auto whole =
      resolved(config, {"transformer.wte.weight", "transformer.wpe.weight",
                        "transformer.h.0.attn.c_attn.weight", "transformer.h.0.ln_1.weight",
                        "transformer.h.0.mlp.c_fc.weight"});
  EXPECT_EQ(module_in_class(whole, "transformer.h.0.attn.c_attn"), "transformer.h.0.attn.c_attn");
  const auto headless =
      resolved(R"({"architectures": ["GPT2Model"], "model_type": "gpt2", "n_layer": 1})",
               {"wte.weight", "wpe.weight", "h.0.attn.c_attn.weight", "h.0.ln_1.weight",
                "h.0.mlp.c_fc.weight"});
  EXPECT_EQ(module_in_class(headless, "h.0.attn.c_attn"), "h.0.attn.c_attn");
}

}  // namespace
}  // namespace merganser
