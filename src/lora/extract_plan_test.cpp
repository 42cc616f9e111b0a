#include "lora/extract_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/testing.h"

namespace merganser {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

// A base, a fine-tune of it, and the names that both have.
class ExtractPlanTest : public ::testing::Test {
 protected:
  void both(const std::string& name, const Shape& shape) { add(name, shape, shape); }

  void add(const std::string& name, std::optional<Shape> base, std::optional<Shape> tuned) {
    if (base) base_.push_back({name, DType::f32, *base});
    if (tuned) tuned_.push_back({name, DType::f32, *tuned});
    names_.push_back(name);
  }

  ExtractPlan plan() {
    std::ranges::sort(names_);
    std::vector<TensorPair> pairs;
    for (const std::string& name : names_) {
      TensorPair pair{name, {}, {}};
      const auto find = [&](const std::vector<TensorInfo>& infos, auto& index, auto& info) {
        for (std::size_t i = 0; i < infos.size(); ++i) {
          if (infos[i].name == name) index = i, info = &infos[i];
        }
      };
      find(base_, pair.base, pair.base_info);
      find(tuned_, pair.tuned, pair.tuned_info);
      pairs.push_back(pair);
    }
    const Json config = Json::parse(config_);
    return plan_extraction(pairs, Architecture::resolve(&config, base_), selection_);
  }

  // "name:fate" of every module.
  static std::vector<std::string> fates(const ExtractPlan& plan) {
    std::vector<std::string> list;
    for (const ExtractModule& module : plan.modules) {
      const bool embedding = module.kind == AdapterModule::Kind::embedding;
      const bool whole = module.fate == ExtractModule::Fate::whole;
      list.push_back(module.name + (whole ? ":whole" : embedding ? ":embedding" : ":linear"));
    }
    return list;
  }

  void llama() {
    both("model.embed_tokens.weight", {10, 4});
    both("model.layers.0.mlp.up_proj.weight", {6, 4});
    both("model.layers.0.mlp.down_proj.weight", {4, 6});
    both("model.layers.0.input_layernorm.weight", {4});
    both("model.norm.weight", {4});
  }

  std::string config_ = R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama",
                            "num_hidden_layers": 1, "tie_word_embeddings": true})";
  ExtractSelection selection_;
  std::vector<TensorInfo> base_, tuned_;
  std::vector<std::string> names_;
};

TEST_F(ExtractPlanTest, MatricesAreFactoredAndTheRestIsKept) {
  llama();
  const ExtractPlan made = plan();
  EXPECT_THAT(fates(made),
              ElementsAre("model.embed_tokens:whole", "model.layers.0.input_layernorm:whole",
                          "model.layers.0.mlp.down_proj:linear",
                          "model.layers.0.mlp.up_proj:linear", "model.norm:whole"));
  EXPECT_THAT(made.tied, ElementsAre(Pair("lm_head", "model.embed_tokens")));
  EXPECT_TRUE(made.left_out.empty());
}

TEST_F(ExtractPlanTest, EmbeddingsAreFactoredWhenAsked) {
  llama();
  selection_.embed_lora = true;
  const ExtractPlan made = plan();
  EXPECT_EQ(fates(made)[0], "model.embed_tokens:embedding");
  EXPECT_TRUE(made.modules[0].transposed);
  EXPECT_TRUE(made.tied.empty());  // its factors reach the head through the shared weight
}

TEST_F(ExtractPlanTest, VocabulariesThatDifferAreKept) {
  llama();
  selection_.embed_lora = true;
  tuned_[0].shape = {12, 4};
  const ExtractPlan made = plan();
  EXPECT_EQ(fates(made)[0], "model.embed_tokens:whole");
  EXPECT_THAT(made.notes, ElementsAre(HasSubstr("[10, 4] and [12, 4]")));
}

TEST_F(ExtractPlanTest, ChoicesByName) {
  llama();
  selection_.save_modules = {"down_proj"};
  selection_.exclude = {Filter::make(Filter::Kind::regex, "embed"),
                        Filter::make(Filter::Kind::regex, "down")};
  selection_.skip_undecomposable = true;
  const ExtractPlan made = plan();
  EXPECT_THAT(fates(made), ElementsAre("model.layers.0.mlp.down_proj:whole",
                                       "model.layers.0.mlp.up_proj:linear"));
  EXPECT_EQ(made.left_out.size(), 3u);
}

TEST_F(ExtractPlanTest, WhatTheOtherLacks) {
  llama();
  add("score.weight", {}, Shape{2, 4});
  add("model.extra.weight", Shape{2, 4}, {});
  both("model.table", {4});
  const ExtractPlan made = plan();
  EXPECT_EQ(fates(made).back(), "score:whole");
  ASSERT_EQ(made.left_out.size(), 2u);
  EXPECT_EQ(made.left_out[0].name, "model.extra.weight");
  EXPECT_THAT(made.left_out[1].reason, HasSubstr("no part of a module"));
}

TEST_F(ExtractPlanTest, ShapesThatDifferAreRefused) {
  llama();
  tuned_[1].shape = {8, 4};
  EXPECT_THAT(test::complaint([&] { plan(); }),
              ::testing::AllOf(HasSubstr("mismatch"), HasSubstr("--save-module up_proj")));
}

TEST_F(ExtractPlanTest, Gpt2sLayersLieTheOtherWay) {
  config_ = R"({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_layer": 1})";
  both("transformer.wte.weight", {10, 4});
  both("transformer.h.0.attn.c_attn.weight", {4, 12});
  both("transformer.h.0.attn.c_attn.bias", {12});
  both("transformer.h.0.ln_1.weight", {4});
  both("transformer.h.0.mlp.c_fc.weight", {4, 8});
  const ExtractPlan made = plan();
  ASSERT_EQ(made.modules[0].name, "transformer.h.0.attn.c_attn");
  EXPECT_TRUE(made.modules[0].transposed);
  EXPECT_EQ(made.modules[0].tensors.size(), 1u);  // its bias
}

}  // namespace
}  // namespace merganser
