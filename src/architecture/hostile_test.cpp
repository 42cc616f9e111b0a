// Configs and names that no honest program wrote: a clear Error or a harmless reading, never a
// crash.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "architecture/architecture.h"
#include "base/error.h"

namespace merganser {
namespace {

std::vector<TensorInfo> llama(std::size_t layers, const std::string& prefix = "model.") {
  std::vector<TensorInfo> tensors{{prefix + "embed_tokens.weight", DType::f32, {96, 16}},
                                  {prefix + "norm.weight", DType::f32, {16}},
                                  {"lm_head.weight", DType::f32, {96, 16}}};
  for (std::size_t i = 0; i < layers; ++i) {
    for (const char* stem : {"self_attn.q_proj.weight", "mlp.up_proj.weight"}) {
      tensors.push_back(
          {prefix + "layers." + std::to_string(i) + "." + stem, DType::f32, {16, 16}});
    }
  }
  return tensors;
}

Json llama_config(Json layers) {
  return {{"architectures", {"LlamaForCausalLM"}}, {"num_hidden_layers", std::move(layers)}};
}

void expect_error(const Json& config, const std::vector<TensorInfo>& tensors, ErrorKind kind,
                  const std::vector<std::string>& words) {
  try {
    Architecture::resolve(&config, tensors);
    ADD_FAILURE() << "no error for " << config.dump();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    for (const std::string& word : words) {
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
  }
}

TEST(Hostile, SenselessLayerCounts) {
  for (const Json& count : {Json("abc"), Json(-3), Json(1e30), Json(2.5), Json(true), Json(1 << 30),
                            Json::parse("18446744073709551615"), Json::array({3}),
                            Json::object({{"a", 1}}), Json(std::string(100000, 'x'))}) {
    expect_error(llama_config(count), llama(3), ErrorKind::corrupt, {"num_hidden_layers"});
  }
  // null is as good as absent: the names count.
  const Json none = llama_config(nullptr);
  const Architecture arch = Architecture::resolve(&none, llama(3));
  EXPECT_EQ(arch.modules()[0].layers, 3u);
  EXPECT_EQ(arch.modules()[0].layers_key, "num_hidden_layers");
}

TEST(Hostile, ConfigAndTensorsDisagree) {
  expect_error(llama_config(4), llama(3), ErrorKind::mismatch, {"4", "3", "num_hidden_layers"});
  expect_error(llama_config(2), llama(3), ErrorKind::mismatch, {"2", "3"});
}

TEST(Hostile, TokenPredictionBlocksAreNoLayers) {
  Json config = llama_config(3);
  config["num_nextn_predict_layers"] = 1;
  const Architecture arch = Architecture::resolve(&config, llama(4));
  EXPECT_EQ(arch.modules()[0].layers, 3u);
  const TensorPlace place = arch.place("model.layers.3.mlp.up_proj.weight");
  EXPECT_EQ(place.place, Place::other);
  EXPECT_EQ(place.stem, "model.layers.3.mlp.up_proj.weight");
  EXPECT_EQ(arch.place("model.layers.2.mlp.up_proj.weight").layer, 2u);
}

TEST(Hostile, ConfigsOfOddKinds) {
  const std::vector<Json> configs = {
      Json(),
      Json(3),
      Json("text"),
      Json::array(),
      Json::object(),
      {{"architectures", 7}},
      {{"architectures", {{"a", "b"}}}},
      {{"architectures", {nullptr, 3, {{"x", 1}}}}},
      {{"architectures", Json::array()}},
      {{"architectures", "LlamaForCausalLM"}},
      {{"model_type", {1, 2}}},
      {{"architectures", {"LlamaForCausalLM"}}, {"text_config", "nonsense"}},
      {{"architectures", {"LlavaForConditionalGeneration"}}, {"text_config", 3}},
      {{"architectures", {"LlamaForCausalLM"}}, {"tie_word_embeddings", "yes"}},
      {{"architectures", {std::string(1000000, '*')}}}};
  for (const Json& config : configs) {
    const Architecture arch = Architecture::resolve(&config, llama(3));
    EXPECT_EQ(arch.place("model.layers.2.mlp.up_proj.weight").layer, 2u);
    EXPECT_EQ(arch.modules()[0].layers, 3u);
  }
  Json deep = 12;
  for (int i = 0; i < 2000; ++i) deep = Json{{"num_layers", std::move(deep)}};
  EXPECT_TRUE(Architecture::resolve(&deep, llama(3)).inferred());
}

TEST(Hostile, HugeNumbersInNames) {
  std::vector<TensorInfo> tensors = llama(3);
  tensors.push_back({"model.layers.99999999999.mlp.up_proj.weight", DType::f32, {1}});
  tensors.push_back({"model.layers.007.mlp.up_proj.weight", DType::f32, {1}});
  const Json config = llama_config(3);
  const Architecture arch = Architecture::resolve(&config, tensors);
  EXPECT_EQ(arch.modules()[0].layers, 3u);
  EXPECT_EQ(arch.place(tensors[tensors.size() - 2].name).layer, std::nullopt);
  EXPECT_EQ(arch.place("model.layers.007.mlp.up_proj.weight").stem,
            "model.layers.007.mlp.up_proj.weight");
  EXPECT_EQ(Architecture::resolve(nullptr, tensors).modules()[0].layers, 3u);
  // Believable on its own, impossible among three layers.
  tensors.push_back({"model.layers.99998.mlp.up_proj.weight", DType::f32, {1}});
  expect_error(config, tensors, ErrorKind::mismatch, {"3", "99999"});
  expect_error(llama_config(nullptr), tensors, ErrorKind::mismatch, {"99998"});
  EXPECT_EQ(Architecture::resolve(nullptr, tensors).modules()[0].layers, 0u);
}

TEST(Hostile, OddNames) {
  std::vector<TensorInfo> tensors;
  for (const std::string& name :
       {std::string(), std::string("."), std::string("..."), std::string("0"), std::string("0.1.2"),
        std::string("layers.{}.x"), std::string("{}"), std::string("model.layers.0"),
        std::string("model.layers.0."), std::string("layers..0.a.b"), std::string("a\0b.0.c", 7),
        std::string(1 << 20, '.'), std::string("\xff\xfe.1.\n.weight")}) {
    tensors.push_back({name, DType::f32, {}});
  }
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "1.layers.";
  tensors.push_back({many, DType::f32, {}});
  for (int i = 0; i < 500; ++i) {
    for (const char* tail : {"a.w", "b.w"}) {
      tensors.push_back({"s" + std::to_string(i) + ".layers.0." + tail, DType::f32, {}});
    }
  }
  for (const char* name : {"", "LlamaForCausalLM", "T5Model", "GPT2Model"}) {
    const Architecture arch = Architecture::resolve(nullptr, tensors, name);
    for (const TensorInfo& tensor : tensors) {
      const TensorPlace place = arch.place(tensor.name);
      ASSERT_LT(place.module, arch.modules().size());
      EXPECT_EQ(place.layer ? place.name_at(*place.layer) : place.stem, tensor.name);
      arch.aliases(tensor.name);
      arch.name_for_role(tensor.name, 3);
    }
  }
}

TEST(Hostile, StackedConfigOfNonsense) {
  const Json config = llama_config(3);
  const Architecture arch = Architecture::resolve(&config, llama(3));
  std::vector<std::string> warnings;
  const std::vector<Architecture::LayerOrigin> origins{{nullptr, 0}, {nullptr, 900}};
  EXPECT_THROW(arch.stacked_config(Json(3), 0, origins, warnings), Error);
  EXPECT_THROW(arch.stacked_config(config, 7, origins, warnings), Error);
  Json lists = config;
  lists["layer_types"] = {"a", "b", "c"};
  const Json other = {{"layer_types", "text"}};
  const std::vector<Architecture::LayerOrigin> mixed{{&other, 0}, {&lists, 900}, {&lists, 2}};
  const Json edited = arch.stacked_config(lists, 0, mixed, warnings);
  EXPECT_EQ(edited["layer_types"], Json({"a", "c", "c"}));
  EXPECT_EQ(warnings.size(), 1u);
  EXPECT_EQ(arch.stacked_config(config, 0, {}, warnings)["num_hidden_layers"], 0);
}

}  // namespace
}  // namespace merganser
