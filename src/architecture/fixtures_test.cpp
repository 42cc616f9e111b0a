// Every family against the names, shapes and config that the real transformers write
// (testdata/make_fixtures.py).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "architecture/architecture.h"
#include "base/error.h"

namespace merganser {
namespace {

struct Expected {
  std::string family;
  std::vector<std::pair<std::string, std::size_t>> modules;  // name, layers
  std::string layers_key;                                    // of the first module
};

using Layers = std::vector<std::pair<std::string, std::size_t>>;

const std::map<std::string, Expected>& expectations() {
  static const std::map<std::string, Expected> table = [] {
    const Layers three{{"default", 3}};
    std::map<std::string, Expected> t;
    for (const char* family : {"llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen2_moe",
                               "qwen3_moe", "gemma", "gemma2", "gemma3_text", "phi", "phi3",
                               "gpt_neox", "starcoder2", "olmo2", "bert", "roberta"}) {
      t[family] = {family, three, "num_hidden_layers"};
    }
    for (const char* name : {"llama_base", "llama_classifier"}) t[name] = t["llama"];
    for (const char* name : {"bert_base", "bert_pretraining", "bert_classifier"}) {
      t[name] = t["bert"];
    }
    t["roberta_classifier"] = t["roberta"];
    t["gpt2"] = t["gpt2_base"] = {"gpt2", three, "n_layer"};
    for (const char* name : {"falcon_7b", "falcon_40b", "falcon_alibi"}) {
      t[name] = {"falcon", three, "num_hidden_layers"};
    }
    t["distilbert"] = t["distilbert_classifier"] = {"distilbert", three, "n_layers"};
    t["vit"] = t["vit_base"] = {"vit", {{"default", 2}}, "num_hidden_layers"};
    t["t5"] = {"t5", {{"encoder", 3}, {"decoder", 2}, {"shared", 0}}, "num_layers"};
    t["t5_gated"] = {"t5", {{"encoder", 3}, {"decoder", 3}, {"shared", 0}}, "num_layers"};
    t["t5_encoder"] = {"t5", {{"encoder", 3}, {"shared", 0}}, "num_layers"};
    t["clip"] = {"clip", {{"text", 3}, {"vision", 2}}, "text_config.num_hidden_layers"};
    t["clip_text"] = {"clip_text", {{"text", 3}}, "num_hidden_layers"};
    t["clip_vision"] = {"clip_vision", {{"vision", 2}}, "num_hidden_layers"};
    t["whisper"] = {"whisper", {{"encoder", 3}, {"decoder", 2}}, "encoder_layers"};
    const Layers multimodal{{"text_decoder", 3}, {"multi_modal_projector", 0}, {"vision_tower", 2}};
    t["llava"] = {"llava", multimodal, "text_config.num_hidden_layers"};
    t["gemma3"] = {"gemma3", multimodal, "text_config.num_hidden_layers"};
    t["qwen2_vl"] = {"qwen2_vl", multimodal, "text_config.num_hidden_layers"};
    return t;
  }();
  return table;
}

Json load(const std::string& name) {
  std::ifstream file(std::string(MERGANSER_SOURCE_DIR) + "/src/architecture/testdata/" + name +
                     ".json");
  return Json::parse(file);
}

std::vector<TensorInfo> tensors_of(const Json& list) {
  std::vector<TensorInfo> tensors;
  for (const auto& [name, shape] : list.items()) {
    tensors.push_back({name, DType::f32, shape.get<Shape>()});
  }
  return tensors;
}

class Fixture : public testing::TestWithParam<std::string> {};

TEST_P(Fixture, EveryNameHasItsPlaceAndRole) {
  const Json fixture = load(GetParam());
  const Json& config = fixture["config"];
  const Expected& expected = expectations().at(GetParam());
  // "saved" are the names in files, "modules" those of the running model.
  for (const char* kind : {"saved", "modules"}) {
    if (!fixture.contains(kind)) continue;
    SCOPED_TRACE(kind);
    const std::vector<TensorInfo> tensors = tensors_of(fixture[kind]);
    const Architecture arch = Architecture::resolve(&config, tensors);
    EXPECT_EQ(arch.family(), expected.family);
    EXPECT_FALSE(arch.inferred());
    EXPECT_EQ(arch.architecture(), fixture["class"].get<std::string>());
    Layers modules;
    for (const auto& module : arch.modules()) modules.emplace_back(module.name, module.layers);
    EXPECT_EQ(modules, expected.modules);
    EXPECT_EQ(arch.modules()[0].layers_key, expected.layers_key);

    std::set<std::string> roles;
    for (const TensorInfo& tensor : tensors) {
      const TensorPlace place = arch.place(tensor.name);
      EXPECT_FALSE(place.role.empty()) << tensor.name;
      EXPECT_EQ(place.place == Place::layer, place.layer.has_value()) << tensor.name;
      const bool numbered = tensor.name.find("layer.") != std::string::npos ||
                            tensor.name.find("layers.") != std::string::npos ||
                            tensor.name.find(".h.") != std::string::npos ||
                            tensor.name.find("block.") != std::string::npos ||
                            tensor.name.find("blocks.") != std::string::npos;
      if (numbered) {
        EXPECT_EQ(place.place, Place::layer) << tensor.name;
      }
      if (place.layer) {
        EXPECT_EQ(place.name_at(*place.layer), tensor.name);
        EXPECT_LT(*place.layer, arch.modules()[place.module].layers);
        // One role, one tensor: else a stack of mixed families could not tell them apart.
        EXPECT_TRUE(roles
                        .insert(std::to_string(place.module) + "/" + std::to_string(*place.layer) +
                                "/" + place.role)
                        .second)
            << tensor.name << " " << place.role;
      } else {
        EXPECT_EQ(place.stem, tensor.name);
      }
      if (place.vocabulary) {
        EXPECT_EQ(tensor.shape[0], 96u) << tensor.name;
      } else if (!tensor.shape.empty() && place.place != Place::layer) {
        EXPECT_NE(tensor.shape[0], 96u) << tensor.name << " has vocabulary size";
      }
      if (place.module == 0 && kind == std::string("saved")) {
        EXPECT_EQ(arch.name_for_role(place.role, place.layer.value_or(0)), tensor.name)
            << place.role;
      }
    }
  }
}

TEST_P(Fixture, TiedNamesAreThoseThatTransformersLeavesOut) {
  const Json fixture = load(GetParam());
  const Json& config = fixture["config"];
  const std::vector<TensorInfo> saved = tensors_of(fixture["saved"]);
  const Architecture arch = Architecture::resolve(&config, saved);
  std::set<std::string> names;
  for (const TensorInfo& tensor : saved) names.insert(tensor.name);
  for (const TiedPair& pair : arch.tied()) {
    EXPECT_TRUE(names.contains(pair.source)) << pair.name << " <- " << pair.source;
    EXPECT_FALSE(names.contains(pair.name)) << pair.name << " is in the file itself";
  }
  // Names of the running model that are neither in the file, nor another spelling, are tied.
  if (!fixture.contains("modules")) return;
  for (const auto& [name, shape] : fixture["modules"].items()) {
    if (names.contains(name)) continue;
    bool explained = false;
    for (const TiedPair& pair : arch.tied()) explained |= pair.name == name;
    for (const std::string& alias : arch.aliases(name)) explained |= names.contains(alias);
    const bool fused = name.find("experts.") != std::string::npos;  // many names in one
    EXPECT_TRUE(explained || fused) << name;
  }
}

TEST_P(Fixture, StackOfTwiceTheLayersGetsItsConfig) {
  const Json fixture = load(GetParam());
  const Json& config = fixture["config"];
  const std::vector<TensorInfo> saved = tensors_of(fixture["saved"]);
  const Architecture arch = Architecture::resolve(&config, saved);
  for (std::size_t m = 0; m < arch.modules().size(); ++m) {
    const ArchitectureModule& module = arch.modules()[m];
    if (module.layers == 0) continue;
    std::vector<Architecture::LayerOrigin> same, twice;
    for (std::size_t i = 0; i < module.layers; ++i) same.push_back({&config, i});
    twice = same;
    twice.insert(twice.end(), same.begin(), same.end());
    std::vector<std::string> warnings;
    EXPECT_EQ(arch.stacked_config(config, m, same, warnings).dump(), config.dump());
    EXPECT_TRUE(warnings.empty());

    const Json edited = arch.stacked_config(config, m, twice, warnings);
    // The edited config counts right when it is read again, and the other modules are as before.
    const Architecture again = Architecture::resolve(&edited, {});
    for (const ArchitectureModule& other : again.modules()) {
      for (const ArchitectureModule& old : arch.modules()) {
        if (old.name != other.name) continue;
        EXPECT_EQ(other.layers, old.name == module.name ? 2 * old.layers : old.layers) << old.name;
      }
    }
    // Key order stays.
    std::vector<std::string> before, after;
    for (const auto& [key, value] : config.items()) before.push_back(key);
    for (const auto& [key, value] : edited.items()) after.push_back(key);
    EXPECT_EQ(before, after);
  }
}

std::vector<std::string> fixture_names() {
  std::vector<std::string> names;
  for (const auto& [name, expected] : expectations()) names.push_back(name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Transformers, Fixture, testing::ValuesIn(fixture_names()),
                         [](const testing::TestParamInfo<std::string>& test) {
                           return test.param;
                         });

TEST(Fixtures, EveryFileIsExpected) {
  for (const auto& entry : std::filesystem::directory_iterator(std::string(MERGANSER_SOURCE_DIR) +
                                                               "/src/architecture/testdata")) {
    if (entry.path().extension() != ".json") continue;
    EXPECT_TRUE(expectations().contains(entry.path().stem().string())) << entry.path();
  }
}

TEST(RealModel, Stories260k) {
  const std::string folder =
      std::string(MERGANSER_SOURCE_DIR) + "/../shared/data/stories260k/base/";
  if (!std::filesystem::exists(folder + "model.safetensors")) {
    GTEST_SKIP() << "the shared data folder is not beside this checkout";
  }
  std::ifstream config_file(folder + "config.json");
  const Json config = Json::parse(config_file);
  std::ifstream file(folder + "model.safetensors", std::ios::binary);
  std::uint64_t length = 0;
  file.read(reinterpret_cast<char*>(&length), 8);
  ASSERT_LT(length, 1u << 20);
  std::string text(length, '\0');
  file.read(text.data(), static_cast<std::streamsize>(length));
  std::vector<TensorInfo> tensors;
  const Json headers = Json::parse(text);
  for (const auto& [name, header] : headers.items()) {
    if (name != "__metadata__") {
      tensors.push_back({name, DType::f32, header["shape"].get<Shape>()});
    }
  }
  const Architecture arch = Architecture::resolve(&config, tensors);
  EXPECT_EQ(arch.family(), "llama");
  ASSERT_EQ(arch.modules().size(), 1u);
  EXPECT_EQ(arch.modules()[0].layers, 5u);
  EXPECT_EQ(arch.modules()[0].layer_prefix, "model.layers.{}.");
  for (const TensorInfo& tensor : tensors) {
    EXPECT_NE(arch.place(tensor.name).role, "") << tensor.name;
  }
  ASSERT_EQ(arch.tied().size(), 1u);
  EXPECT_EQ(arch.tied()[0].name, "lm_head.weight");
  EXPECT_EQ(arch.tied()[0].source, "model.embed_tokens.weight");
}

}  // namespace
}  // namespace merganser
