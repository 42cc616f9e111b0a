// Ten invented layouts and some more: layers found from names alone.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "architecture/architecture.h"

namespace merganser {
namespace {

struct Model {
  std::vector<TensorInfo> tensors;
  Model& add(const std::string& name, Shape shape = {4, 4}) {
    tensors.push_back({name, DType::f32, std::move(shape)});
    return *this;
  }
  Model& block(const std::string& prefix, const std::vector<std::string>& suffixes) {
    for (const std::string& suffix : suffixes) add(prefix + suffix);
    return *this;
  }
  Architecture resolve(const Json* config = nullptr) const {
    return Architecture::resolve(config, tensors);
  }
};

const std::vector<std::string> attention_block = {
    "attn.qkv.weight", "attn.proj.weight", "mlp.fc1.weight", "mlp.fc2.weight", "norm1.weight"};

std::string n(std::size_t i) { return std::to_string(i); }

void expect_nothing_lost(const Architecture& arch, const Model& model) {
  for (const TensorInfo& tensor : model.tensors) {
    const TensorPlace place = arch.place(tensor.name);
    ASSERT_LT(place.module, arch.modules().size()) << tensor.name;
    EXPECT_EQ(place.layer ? place.name_at(*place.layer) : place.stem, tensor.name);
  }
}

TEST(Infer, OneStackUnderTransformerBlocks) {
  Model model;
  for (std::size_t i = 0; i < 4; ++i)
    model.block("transformer.blocks." + n(i) + ".", attention_block);
  model.add("transformer.wte.weight", {96, 4})
      .add("transformer.ln_f.weight")
      .add("lm_head.weight", {96, 4});
  const Json config = {
      {"model_type", "mpt-like"}, {"n_layers", 4}, {"n_heads", 4}, {"vocab_size", 96}};
  const Architecture arch = model.resolve(&config);
  EXPECT_TRUE(arch.inferred());
  EXPECT_EQ(arch.family(), "inferred");
  ASSERT_EQ(arch.modules().size(), 1u);
  EXPECT_EQ(arch.modules()[0].name, "default");
  EXPECT_EQ(arch.modules()[0].layers, 4u);
  EXPECT_EQ(arch.modules()[0].layer_prefix, "transformer.blocks.{}.");
  EXPECT_EQ(arch.modules()[0].layers_key, "n_layers");
  const TensorPlace place = arch.place("transformer.blocks.3.attn.qkv.weight");
  EXPECT_EQ(place.place, Place::layer);
  EXPECT_EQ(place.layer, 3u);
  EXPECT_EQ(place.stem, "transformer.blocks.{}.attn.qkv.weight");
  EXPECT_EQ(place.role, "");
  EXPECT_EQ(arch.place("transformer.wte.weight").place, Place::embed);
  EXPECT_TRUE(arch.place("transformer.wte.weight").vocabulary);
  EXPECT_EQ(arch.place("transformer.ln_f.weight").place, Place::head);
  EXPECT_EQ(arch.place("lm_head.weight").place, Place::head);
  EXPECT_TRUE(arch.place("lm_head.weight").vocabulary);
  // A name it never saw.
  EXPECT_EQ(arch.place("transformer.blocks.7.attn.qkv.bias").layer, 7u);
  expect_nothing_lost(arch, model);
}

TEST(Infer, UNetHasTwoStacksAndAMiddle) {
  Model model;
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      const std::string in = n(i) + ".resnets." + n(j) + ".";
      model.block("down_blocks." + in, {"conv1.weight", "conv2.weight", "norm1.weight"});
      model.block("up_blocks." + in, {"conv1.weight", "conv2.weight", "norm1.weight"});
      if (i < 3) {
        const std::string t = n(i) + ".attentions." + n(j) + ".transformer_blocks.0.";
        model.block("down_blocks." + t, attention_block);
        model.block("up_blocks." + t, attention_block);
      }
    }
  }
  model.add("mid_block.resnets.0.conv1.weight").add("mid_block.resnets.1.conv1.weight");
  model.add("conv_in.weight").add("conv_out.weight").add("time_embedding.linear_1.weight");
  const Architecture arch = model.resolve();
  ASSERT_EQ(arch.modules().size(), 3u);
  EXPECT_EQ(arch.modules()[0].name, "down_blocks");
  EXPECT_EQ(arch.modules()[0].layers, 4u);
  EXPECT_EQ(arch.modules()[1].name, "up_blocks");
  EXPECT_EQ(arch.modules()[2].name, "default");
  EXPECT_EQ(arch.modules()[2].layers, 0u);
  EXPECT_EQ(arch.place("down_blocks.2.attentions.1.transformer_blocks.0.attn.qkv.weight").layer,
            2u);
  EXPECT_EQ(arch.place("conv_in.weight").place, Place::embed);
  EXPECT_EQ(arch.place("conv_out.weight").place, Place::head);
  EXPECT_EQ(arch.place("mid_block.resnets.1.conv1.weight").place, Place::other);
  EXPECT_EQ(arch.place("mid_block.resnets.1.conv1.weight").module, 2u);
  expect_nothing_lost(arch, model);
}

TEST(Infer, EncoderAndDecoderOfOneDepth) {
  Model model;
  for (std::size_t i = 0; i < 3; ++i) {
    model.block("encoder.layers." + n(i) + ".", attention_block);
    model.block("decoder.layers." + n(i) + ".", attention_block);
    model.add("decoder.layers." + n(i) + ".cross.q.weight");
  }
  model.add("shared.weight", {96, 4});
  const Json config = {{"encoder_layers", 3}, {"decoder_layers", 3}, {"d_model", 4}};
  const Architecture arch = model.resolve(&config);
  ASSERT_EQ(arch.modules().size(), 3u);
  EXPECT_EQ(arch.modules()[0].name, "decoder.layers");
  EXPECT_EQ(arch.modules()[0].layers_key, "decoder_layers");
  EXPECT_EQ(arch.modules()[1].name, "encoder.layers");
  EXPECT_EQ(arch.modules()[1].layers_key, "encoder_layers");
  EXPECT_EQ(arch.place("shared.weight").place, Place::embed);
}

TEST(Infer, NumbersThatAreNoLayers) {
  Model model;
  model.add("conv1.0.weight").add("conv1.0.bias").add("conv1.1.weight").add("conv1.1.running_mean");
  model.add("fc2.0.weight").add("out3.weight");
  const Architecture arch = model.resolve();
  ASSERT_EQ(arch.modules().size(), 1u);
  EXPECT_EQ(arch.modules()[0].layers, 0u);
  EXPECT_EQ(arch.modules()[0].layer_prefix, "");
  EXPECT_EQ(arch.place("conv1.0.weight").layer, std::nullopt);
  expect_nothing_lost(arch, model);
}

TEST(Infer, SparseNumbersOfAPrunedModel) {
  Model model;
  for (const std::size_t i : {0, 1, 5, 9})
    model.block("model.layers." + n(i) + ".", attention_block);
  const Architecture arch = model.resolve();
  EXPECT_EQ(arch.modules()[0].layers, 10u);
  EXPECT_EQ(arch.place("model.layers.9.mlp.fc1.weight").layer, 9u);
}

TEST(Infer, OneLayerOnly) {
  Model model;
  model.block("model.layers.0.", attention_block).add("model.norm.weight");
  for (std::size_t e = 0; e < 4; ++e) {
    model.block("model.layers.0.moe.experts." + n(e) + ".", {"w1.weight", "w2.weight"});
  }
  const Architecture arch = model.resolve();
  ASSERT_EQ(arch.modules().size(), 1u);
  EXPECT_EQ(arch.modules()[0].layers, 1u);
  EXPECT_EQ(arch.modules()[0].layer_prefix, "model.layers.{}.");
  EXPECT_EQ(arch.place("model.layers.0.moe.experts.3.w1.weight").stem,
            "model.layers.{}.moe.experts.3.w1.weight");
  EXPECT_EQ(arch.place("model.norm.weight").place, Place::head);
}

TEST(Infer, HybridOfMambaAndAttention) {
  Model model;
  for (std::size_t i = 0; i < 8; ++i) {
    const std::string prefix = "backbone.layers." + n(i) + ".";
    if (i % 4 == 3) {
      model.block(prefix, {"norm.weight", "mixer.q.weight", "mixer.k.weight", "mixer.v.weight"});
    } else {
      model.block(prefix, {"norm.weight", "mixer.A_log", "mixer.D", "mixer.in_proj.weight"});
    }
  }
  model.add("backbone.embeddings.weight").add("backbone.norm_f.weight");
  const Json config = {{"num_hidden_layers", 8}, {"ssm", {{"n_heads", 8}}}};
  const Architecture arch = model.resolve(&config);
  EXPECT_EQ(arch.modules()[0].layers, 8u);
  EXPECT_EQ(arch.modules()[0].layers_key, "num_hidden_layers");
  EXPECT_EQ(arch.place("backbone.embeddings.weight").place, Place::embed);
  EXPECT_EQ(arch.place("backbone.norm_f.weight").place, Place::head);
}

TEST(Infer, ExpertsInsideLayersStayInTheName) {
  Model model;
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t e = 0; e < 16; ++e) {
      model.block("net.trunk.blocks." + n(i) + ".ffn.experts." + n(e) + ".",
                  {"up.weight", "down.weight"});
    }
    model.add("net.trunk.blocks." + n(i) + ".ffn.router.weight");
  }
  const Architecture arch = model.resolve();
  ASSERT_EQ(arch.modules().size(), 1u);
  EXPECT_EQ(arch.modules()[0].layers, 2u);
  EXPECT_EQ(arch.place("net.trunk.blocks.1.ffn.experts.15.up.weight").name_at(0),
            "net.trunk.blocks.0.ffn.experts.15.up.weight");
}

TEST(Infer, SequentialOfMixedModules) {
  Model model;
  // torch.nn.Sequential(Linear, ReLU, Linear, ReLU, Linear): not repeated blocks.
  model.add("net.0.weight", {8, 4}).add("net.0.bias", {8});
  model.add("net.2.weight", {8, 8}).add("net.2.bias", {8});
  model.add("net.4.weight", {2, 8}).add("net.4.bias", {2});
  const Architecture arch = model.resolve();
  EXPECT_EQ(arch.modules()[0].layers, 0u);
  expect_nothing_lost(arch, model);
  // At the root, where the number is the first part of the name.
  Model root;
  root.add("0.weight").add("0.bias").add("2.weight").add("2.bias");
  EXPECT_EQ(root.resolve().modules()[0].layers, 0u);
  expect_nothing_lost(root.resolve(), root);
}

TEST(Infer, DigitsAtTheEndOfNames) {
  Model model;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string prefix = "encoder.h." + n(i) + ".";
    model.block(prefix, {"attn.weight.0", "attn.weight.1", "mlp.in.weight", "mlp.out.weight"});
  }
  model.add("codebook.0").add("codebook.1").add("table.weight.12");
  const Architecture arch = model.resolve();
  ASSERT_EQ(arch.modules().size(), 1u);
  EXPECT_EQ(arch.modules()[0].layers, 3u);
  EXPECT_EQ(arch.place("encoder.h.2.attn.weight.1").stem, "encoder.h.{}.attn.weight.1");
  expect_nothing_lost(arch, model);
}

TEST(Infer, NestedStagesAndAWrapper) {
  Model swin;
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      swin.block("layers." + n(i) + ".blocks." + n(j) + ".", attention_block);
    }
  }
  ASSERT_EQ(swin.resolve().modules().size(), 1u);
  EXPECT_EQ(swin.resolve().modules()[0].layer_prefix, "layers.{}.");
  Model wrapped;
  for (std::size_t i = 0; i < 6; ++i)
    wrapped.block("encoder.0.layers." + n(i) + ".", attention_block);
  ASSERT_EQ(wrapped.resolve().modules().size(), 1u);
  EXPECT_EQ(wrapped.resolve().modules()[0].layer_prefix, "encoder.0.layers.{}.");
  EXPECT_EQ(wrapped.resolve().modules()[0].layers, 6u);
}

TEST(Infer, LayerCountFieldOnlyWhenItIsCertain) {
  Model model;
  for (std::size_t i = 0; i < 4; ++i) model.block("blocks." + n(i) + ".", attention_block);
  const Json two = {{"depth", 4}, {"num_layers", 4}};
  EXPECT_EQ(model.resolve(&two).modules()[0].layers_key, "");
  const Json other = {{"num_layers", 5}, {"num_heads", 4}, {"layer_norm_groups", 4}};
  EXPECT_EQ(model.resolve(&other).modules()[0].layers_key, "");
  const Json nested = {{"model", {{"trunk", {{"depth", 4}}}}}};
  EXPECT_EQ(model.resolve(&nested).modules()[0].layers_key, "model.trunk.depth");
  std::vector<std::string> warnings;
  const Architecture arch = model.resolve(&nested);
  const std::vector<Architecture::LayerOrigin> six = {{&nested, 0}, {&nested, 1}, {&nested, 1},
                                                      {&nested, 2}, {&nested, 2}, {&nested, 3}};
  EXPECT_EQ(arch.stacked_config(nested, 0, six, warnings)["model"]["trunk"]["depth"], 6);
  EXPECT_TRUE(warnings.empty());
  model.resolve(&two).stacked_config(two, 0, six, warnings);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("6"), std::string::npos);
}

}  // namespace
}  // namespace merganser
