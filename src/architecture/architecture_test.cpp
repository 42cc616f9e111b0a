// The families' data, tied names and aliases, config edits, and mixing families.
#include "architecture/architecture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "architecture/family_data.h"

namespace merganser {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<TensorInfo> named(const std::vector<std::string>& names) {
  std::vector<TensorInfo> tensors;
  for (const std::string& name : names) tensors.push_back({name, DType::f32, {16, 16}});
  return tensors;
}

std::vector<TensorInfo> layers(const std::string& prefix, std::size_t count,
                               const std::vector<std::string>& stems) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) {
    for (const std::string& stem : stems) names.push_back(prefix + std::to_string(i) + "." + stem);
  }
  return named(names);
}

TEST(FamilyData, AllFilesParse) {
  const std::vector<std::string> names = known_families();
  for (const char* name :
       {"llama",    "mistral", "mixtral",    "qwen2",       "qwen3", "qwen2_moe", "qwen3_moe",
        "gemma",    "gemma2",  "gemma3",     "gemma3_text", "phi",   "phi3",      "gpt2",
        "gpt_neox", "falcon",  "starcoder2", "olmo2",       "bert",  "roberta",   "distilbert",
        "t5",       "clip",    "vit",        "whisper",     "llava"}) {
    EXPECT_THAT(names, Contains(name));
  }
  EXPECT_THAT(names, Not(Contains("common")));
}

TEST(FamilyData, IsConsistent) {
  std::set<std::string> types, classes;
  for (const Family& family : families()) {
    if (family.abstract) continue;
    SCOPED_TRACE(family.name);
    EXPECT_FALSE(family.architectures.empty());
    EXPECT_FALSE(family.traits.empty());
    EXPECT_FALSE(family.fields.empty());
    ASSERT_FALSE(family.modules.empty());
    for (const std::string& type : family.model_types)
      EXPECT_TRUE(types.insert(type).second) << type;
    for (const std::string& name : family.architectures) {
      EXPECT_TRUE(classes.insert(name).second) << name;
    }
    for (const ModuleData& module : family.modules) {
      SCOPED_TRACE(module.name);
      EXPECT_FALSE(module.prefixes.empty());
      EXPECT_EQ(module.layers.empty(), module.counts.empty());
      EXPECT_EQ(module.layers.empty(), module.roles.in_order.empty());
      for (const std::string& form : module.layers) {
        EXPECT_TRUE(form.ends_with(".{}.")) << form;
        EXPECT_EQ(form.find("{}"), form.rfind("{}"));
      }
      for (const std::string& prefix : module.prefixes) {
        EXPECT_TRUE(prefix.empty() || prefix.ends_with('.')) << prefix;
      }
      for (const RoleTable* table : {&module.roles, &module.embed, &module.head, &module.other,
                                     &module.embed_root, &module.head_root, &module.other_root}) {
        for (const auto& [stem, role] : table->in_order) {
          EXPECT_EQ(std::count(stem.begin(), stem.end(), '*'),
                    std::count(role.begin(), role.end(), '*'));
          EXPECT_FALSE(role.empty()) << stem;
          EXPECT_FALSE(stem.ends_with(".weight")) << stem;
        }
      }
      for (const auto& [a, b] : module.layer_aliases) {
        EXPECT_EQ(module.roles.role_of(a + ".weight"), module.roles.role_of(b + ".weight"));
        EXPECT_NE(module.roles.role_of(a + ".weight"), "");
      }
      for (const std::string& stem : module.first_layer_only) {
        EXPECT_NE(module.roles.role_of(stem), "");
      }
    }
  }
}

TEST(Resolve, OverrideAndModelType) {
  const auto tensors =
      layers("model.layers.", 2, {"self_attn.q_proj.weight", "mlp.up_proj.weight"});
  const Json config = {{"architectures", {"MyOwnModel"}}, {"model_type", "llama"}};
  EXPECT_EQ(Architecture::resolve(&config, tensors).family(), "llama");
  EXPECT_EQ(Architecture::resolve(&config, tensors, "MistralForCausalLM").family(), "mistral");
  EXPECT_EQ(Architecture::resolve(&config, tensors, "qwen3").family(), "qwen3");
  EXPECT_TRUE(Architecture::resolve(&config, tensors, "SomethingElse").inferred());
  EXPECT_EQ(Architecture::resolve(&config, tensors, "SomethingElse").architecture(),
            "SomethingElse");
}

TEST(Resolve, KnownFamilyWithUnknownTensors) {
  auto tensors =
      layers("model.layers.", 2, {"self_attn.q_proj.weight", "self_attn.sinks", "new.weight"});
  tensors.push_back({"model.visual_memory.weight", DType::f32, {4}});
  const Json config = {{"architectures", {"LlamaForCausalLM"}}, {"num_hidden_layers", 2}};
  const Architecture arch = Architecture::resolve(&config, tensors);
  EXPECT_EQ(arch.family(), "llama");
  const TensorPlace place = arch.place("model.layers.1.self_attn.sinks");
  EXPECT_EQ(place.place, Place::layer);
  EXPECT_EQ(place.role, "");
  EXPECT_EQ(place.name_at(7), "model.layers.7.self_attn.sinks");
  EXPECT_EQ(arch.place("model.visual_memory.weight").place, Place::other);
}

TEST(Resolve, KnownClassWithOtherNamesIsInferred) {
  const auto tensors =
      layers("net.blocks.", 3, {"attn.q.weight", "attn.k.weight", "mlp.up.weight"});
  const Json config = {{"architectures", {"LlamaForCausalLM"}}, {"num_hidden_layers", 3}};
  const Architecture arch = Architecture::resolve(&config, tensors);
  EXPECT_TRUE(arch.inferred());
  EXPECT_EQ(arch.modules()[0].layer_prefix, "net.blocks.{}.");
  EXPECT_EQ(arch.modules()[0].layers_key, "num_hidden_layers");
}

TEST(Resolve, OldAndNewNamesOfLlava) {
  const Json config = {{"architectures", {"LlavaForConditionalGeneration"}},
                       {"text_config", {{"model_type", "llama"}}},
                       {"vision_config", {{"num_hidden_layers", 2}}}};
  for (const char* text : {"language_model.model.layers.", "model.language_model.layers."}) {
    auto tensors = layers(text, 3, {"self_attn.q_proj.weight"});
    for (auto& t :
         layers("vision_tower.vision_model.encoder.layers.", 2, {"self_attn.q_proj.weight"})) {
      tensors.push_back(t);
    }
    const Architecture arch = Architecture::resolve(&config, tensors);
    ASSERT_EQ(arch.modules().size(), 2u);
    EXPECT_EQ(arch.modules()[0].layers, 3u);  // absent in the config: by the names
    EXPECT_EQ(arch.modules()[0].layers_key, "text_config.num_hidden_layers");
    EXPECT_EQ(arch.modules()[0].layer_prefix, std::string(text) + "{}.");
    EXPECT_EQ(arch.modules()[1].name, "vision_tower");
    EXPECT_EQ(arch.place(tensors.back().name).module, 1u);
  }
}

TEST(Tied, ByConfigElseByFamily) {
  const auto tensors =
      named({"model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight"});
  Json config = {{"architectures", {"LlamaForCausalLM"}}};
  EXPECT_THAT(Architecture::resolve(&config, tensors).tied(), IsEmpty());
  config["tie_word_embeddings"] = true;
  EXPECT_EQ(Architecture::resolve(&config, tensors).tied().size(), 1u);
  config = {{"architectures", {"GemmaForCausalLM"}}};
  EXPECT_EQ(Architecture::resolve(&config, tensors).tied().size(), 1u);
  config["tie_word_embeddings"] = false;
  EXPECT_THAT(Architecture::resolve(&config, tensors).tied(), IsEmpty());
}

TEST(Tied, OldT5KeepsAnotherCopy) {
  const auto tensors =
      named({"encoder.embed_tokens.weight", "encoder.block.0.layer.0.SelfAttention.q.weight"});
  const Json config = {{"architectures", {"T5EncoderModel"}}, {"num_layers", 1}};
  const Architecture arch = Architecture::resolve(&config, tensors);
  ASSERT_EQ(arch.tied().size(), 1u);
  EXPECT_EQ(arch.tied()[0].name, "shared.weight");
  EXPECT_EQ(arch.tied()[0].source, "encoder.embed_tokens.weight");
}

TEST(Aliases, OldNamesOfBert) {
  const Json config = {{"architectures", {"BertModel"}}};
  const Architecture arch = Architecture::resolve(&config, {});
  EXPECT_THAT(arch.aliases("bert.embeddings.LayerNorm.gamma"),
              Contains("bert.embeddings.LayerNorm.weight"));
  EXPECT_THAT(arch.aliases("encoder.layer.3.output.LayerNorm.bias"),
              Contains("bert.encoder.layer.3.output.LayerNorm.beta"));
  EXPECT_THAT(arch.aliases("bert.encoder.layer.3.output.dense.weight"),
              ElementsAre("encoder.layer.3.output.dense.weight"));
  EXPECT_THAT(arch.aliases("something.else"), IsEmpty());
  const TensorPlace gamma = arch.place("bert.encoder.layer.3.output.LayerNorm.gamma");
  EXPECT_EQ(gamma.role, "norm.mlp.post.weight");
}

TEST(Aliases, NewNamesOfVit) {
  const Json config = {{"architectures", {"ViTModel"}}};
  const Architecture arch = Architecture::resolve(&config, {});
  EXPECT_THAT(arch.aliases("vit.encoder.layer.1.output.dense.weight"),
              Contains("vit.layers.1.mlp.fc2.weight"));
  EXPECT_THAT(arch.aliases("layers.1.attention.q_proj.bias"),
              Contains("encoder.layer.1.attention.attention.query.bias"));
}

TEST(StackedConfig, ListsFollowTheirLayers) {
  const Json config = {{"architectures", {"Qwen2ForCausalLM"}},
                       {"layer_types", {"full", "sliding", "full"}},
                       {"max_window_layers", 3},
                       {"num_hidden_layers", 3},
                       {"eos_token_id", {1, 2}},
                       {"vocab_size", 96}};
  Json other = config;
  other["layer_types"] = {"x", "y", "z"};
  const Architecture arch = Architecture::resolve(&config, {});
  const std::vector<Architecture::LayerOrigin> origins{
      {&config, 0}, {&other, 1}, {&other, 2}, {&config, 1}};
  std::vector<std::string> warnings;
  const Json edited = arch.stacked_config(config, 0, origins, warnings);
  EXPECT_EQ(edited.dump(),
            R"({"architectures":["Qwen2ForCausalLM"],"layer_types":["full","y","z","sliding"],)"
            R"("max_window_layers":4,"num_hidden_layers":4,"eos_token_id":[1,2],"vocab_size":96})");
  EXPECT_THAT(warnings, IsEmpty());
}

TEST(StackedConfig, LayerNumbersArePutAnew) {
  const Json config = {{"architectures", {"Qwen3MoeForCausalLM"}},
                       {"num_hidden_layers", 3},
                       {"mlp_only_layers", {0, 2}},
                       {"decoder_sparse_step", 2}};
  const Architecture arch = Architecture::resolve(&config, {});
  const std::vector<Architecture::LayerOrigin> origins{
      {&config, 0}, {&config, 1}, {&config, 1}, {&config, 2}};
  std::vector<std::string> warnings;
  const Json edited = arch.stacked_config(config, 0, origins, warnings);
  EXPECT_EQ(edited["mlp_only_layers"], Json({0, 3}));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("decoder_sparse_step")));
}

TEST(StackedConfig, T5ModulesThatShareTheirCount) {
  const Json config = {{"architectures", {"T5ForConditionalGeneration"}}, {"num_layers", 2}};
  const Architecture arch = Architecture::resolve(&config, {});
  std::vector<std::string> warnings;
  const std::vector<Architecture::LayerOrigin> three{{&config, 0}, {&config, 1}, {&config, 1}};
  EXPECT_EQ(
      arch.stacked_config(config, 0, three, warnings).dump(),
      R"({"architectures":["T5ForConditionalGeneration"],"num_layers":3,"num_decoder_layers":2})");
  EXPECT_EQ(
      arch.stacked_config(config, 1, three, warnings).dump(),
      R"({"architectures":["T5ForConditionalGeneration"],"num_layers":2,"num_decoder_layers":3})");
  EXPECT_THAT(warnings, IsEmpty());
  const std::vector<Architecture::LayerOrigin> headless{{&config, 1}};
  arch.stacked_config(config, 0, headless, warnings);
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("relative_attention_bias")));
}

const std::vector<std::string> llama_stems = {
    "input_layernorm.weight",  "post_attention_layernorm.weight",
    "self_attn.q_proj.weight", "self_attn.k_proj.weight",
    "self_attn.v_proj.weight", "self_attn.o_proj.weight",
    "mlp.gate_proj.weight",    "mlp.up_proj.weight",
    "mlp.down_proj.weight"};

Json llama_like(const std::string& name) {
  return {{"architectures", {name}},   {"num_hidden_layers", 2}, {"hidden_size", 2048},
          {"num_attention_heads", 16}, {"vocab_size", 32000},    {"rms_norm_eps", 1e-5},
          {"hidden_act", "silu"},      {"rope_theta", 10000.0}};
}

TEST(Mixing, LlamaAndMistralFit) {
  const auto tensors = layers("model.layers.", 2, llama_stems);
  const Json a = llama_like("LlamaForCausalLM");
  Json b = llama_like("MistralForCausalLM");
  b["head_dim"] = 128;
  b["num_key_value_heads"] = 16;
  b.erase("rope_theta");
  b["rope_parameters"] = {{"rope_theta", 10000}};
  const Architecture one = Architecture::resolve(&a, tensors);
  const Architecture two = Architecture::resolve(&b, tensors);
  EXPECT_THAT(one.incompatibilities(a, two, b), IsEmpty());
}

TEST(Mixing, SaysBothNumbers) {
  const auto tensors = layers("model.layers.", 2, llama_stems);
  auto more = llama_stems;
  more.push_back("self_attn.q_norm.weight");
  const Json a = llama_like("LlamaForCausalLM");
  Json b = llama_like("Qwen3ForCausalLM");
  b["hidden_size"] = 4096;
  const Architecture one = Architecture::resolve(&a, tensors);
  const Architecture two = Architecture::resolve(&b, layers("model.layers.", 2, more));
  const auto found = one.incompatibilities(a, two, b);
  EXPECT_THAT(found, Contains("hidden_size 2048 here, 4096 there"));
  EXPECT_THAT(found, Contains("head_dim 128 here, 256 there"));
  EXPECT_THAT(found, Contains("layers there have attention.q_norm.weight, layers here do not"));
}

TEST(Mixing, ArrangementsOfWeightsDiffer) {
  const Json a = llama_like("LlamaForCausalLM");
  const Json b = {{"architectures", {"GPT2LMHeadModel"}}, {"n_layer", 1}, {"n_embd", 2048}};
  const Architecture one = Architecture::resolve(&a, {});
  const Architecture two = Architecture::resolve(&b, {});
  EXPECT_THAT(one.incompatibilities(a, two, b),
              Contains("weights: [out, in] here, [in, out] there"));
}

TEST(Mixing, NamesByRole) {
  const Json gpt2 = {{"architectures", {"GPT2LMHeadModel"}}};
  const Json neox = {{"architectures", {"GPTNeoXForCausalLM"}}};
  const Json moe = {{"architectures", {"MixtralForCausalLM"}}};
  const Architecture a = Architecture::resolve(&gpt2, {});
  const Architecture b = Architecture::resolve(&neox, {});
  const Architecture c = Architecture::resolve(&moe, {});
  const TensorPlace place = a.place("transformer.h.3.mlp.c_fc.bias");
  EXPECT_EQ(place.role, "mlp.up.bias");
  EXPECT_EQ(b.name_for_role(place.role, 5), "gpt_neox.layers.5.mlp.dense_h_to_4h.bias");
  EXPECT_EQ(b.name_for_role("embed.tokens.weight", 0), "gpt_neox.embed_in.weight");
  EXPECT_EQ(b.name_for_role("head.weight", 0), "embed_out.weight");
  EXPECT_EQ(b.name_for_role("mlp.gate.weight", 0), std::nullopt);
  EXPECT_EQ(c.name_for_role("mlp.experts.7.up.weight", 2),
            "model.layers.2.block_sparse_moe.experts.7.w3.weight");
  EXPECT_EQ(b.name_for_role("", 0), std::nullopt);
}

}  // namespace
}  // namespace merganser
