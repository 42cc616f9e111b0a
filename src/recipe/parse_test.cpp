#include "recipe/parse.h"

#include "recipe/recipe_testing.h"

namespace merganser {
namespace {

using testing::parse;

TEST(ParseRecipe, SlerpWithFiltersAndGradients) {
  const Recipe r = parse(R"(slices:
  - sources:
      - model: psmathur/orca_mini_v3_13b
        layer_range: [0, 40]
      - model: garage-bAInd/Platypus2-13B
        layer_range: [0, 40]
# or, the equivalent models: syntax:
merge_method: slerp
base_model: psmathur/orca_mini_v3_13b
parameters:
  t:
    - filter: self_attn
      value: [0, 0.5, 0.3, 0.7, 1]
    - filter: mlp
      value: [1, 0.5, 0.7, 0.3, 0]
    - value: 0.5 # fallback for rest of tensors
dtype: float16
)");
  EXPECT_EQ(r.method, "slerp");
  EXPECT_EQ(r.method_mark.line, 8u);
  EXPECT_EQ(r.method_mark.column, 15u);
  ASSERT_EQ(r.modules.size(), 1u);
  EXPECT_EQ(r.modules[0].name, "");
  ASSERT_EQ(r.modules[0].slices.size(), 1u);
  const RecipeSlice& slice = r.modules[0].slices[0];
  ASSERT_EQ(slice.sources.size(), 2u);
  EXPECT_EQ(slice.sources[1].model.path, "garage-bAInd/Platypus2-13B");
  EXPECT_EQ(slice.sources[1].layers, (std::array<std::size_t, 2>{0, 40}));
  EXPECT_EQ(slice.sources[1].model.mark.line, 5u);
  EXPECT_EQ(slice.sources[1].model.mark.column, 16u);
  ASSERT_TRUE(r.base_model);
  EXPECT_TRUE(r.base_model->same_as(slice.sources[0].model));
  const Setting& t = r.parameters.at("t");
  EXPECT_EQ(t.line, 11u);
  EXPECT_EQ(t.column, 3u);
  ASSERT_EQ(t.cases.size(), 3u);
  EXPECT_EQ(t.cases[0].filter->pattern, "self_attn");
  EXPECT_EQ(t.cases[0].line, 13u);
  EXPECT_EQ(t.cases[0].column, 14u);
  EXPECT_EQ(std::get<std::vector<Value>>(t.cases[1].value).size(), 5u);
  EXPECT_FALSE(t.cases[2].filter);
  EXPECT_EQ(r.dtype, DType::f16);
  EXPECT_FALSE(r.out_dtype);
  EXPECT_NO_THROW(validate(r, testing::slerp()));
}

TEST(ParseRecipe, TiesWithDensities) {
  const Recipe r = parse(R"(models:
  - model: psmathur/orca_mini_v3_13b
    parameters:
      density: [1, 0.7, 0.1] # density gradient
      weight: 1.0
  - model: garage-bAInd/Platypus2-13B
    parameters:
      density: 0.5
      weight: [0, 0.3, 0.7, 1] # weight gradient
  - model: WizardLM/WizardMath-13B-V1.0
    parameters:
      density: 0.33
      weight:
        - filter: mlp
          value: 0.5
        - value: 0
merge_method: ties
base_model: TheBloke/Llama-2-13B-fp16
parameters:
  normalize: true
  int8_mask: yes
dtype: float16
)");
  ASSERT_EQ(r.modules[0].models.size(), 3u);
  EXPECT_EQ(std::get<Value>(r.parameters.at("int8_mask").cases[0].value), Value(true));
  EXPECT_NO_THROW(validate(r, testing::ties()));
  std::vector<std::string> names;
  for (const ModelRef& model : r.referenced_models()) names.push_back(model.to_string());
  EXPECT_THAT(names,
              ::testing::ElementsAre("psmathur/orca_mini_v3_13b", "garage-bAInd/Platypus2-13B",
                                     "WizardLM/WizardMath-13B-V1.0", "TheBloke/Llama-2-13B-fp16"));
}

TEST(ParseRecipe, PassthroughFrankenmerge) {
  const Recipe r = parse(R"(slices:
  - sources:
    - model: A
      layer_range: [0, 24]
  - sources:
    - model: B
      layer_range: [8, 32]
      parameters:
        scale:
          - filter: o_proj
            value: 0.0
          - filter: down_proj
            value: 0.0
          - value: 1.0
    residual_weight: 0.5
merge_method: passthrough
dtype: float16
)");
  ASSERT_EQ(r.modules[0].slices.size(), 2u);
  EXPECT_EQ(r.modules[0].slices[1].mark.line, 5u);
  EXPECT_NO_THROW(validate(r, testing::passthrough()));
}

TEST(ParseRecipe, DareTiesWithUnweightedBase) {
  const Recipe r = parse(R"(models:
  - model: mistralai/Mistral-7B-v0.1
    # No parameters necessary for base model
  - model: samir-fama/SamirGPT-v1
    parameters:
      density: 0.53
      weight: 0.4
  - model: abacusai/Slerp-CM-mist-dpo
    parameters: {density: 0.53, weight: 0.3}
merge_method: dare_ties
base_model: mistralai/Mistral-7B-v0.1
parameters:
  int8_mask: true
dtype: bfloat16
out_dtype: torch.float32
tokenizer_source: base
chat_template: auto
)");
  EXPECT_EQ(r.dtype, DType::bf16);
  EXPECT_EQ(r.out_dtype, DType::f32);
  EXPECT_EQ(r.chat_template, "auto");
  EXPECT_NO_THROW(validate(r, testing::ties()));
}

TEST(ParseRecipe, LinearAndTaskArithmetic) {
  EXPECT_NO_THROW(validate(parse("merge_method: linear\nmodels:\n"
                                 "- model: a\n  parameters:\n    weight: 1e-1\n"
                                 "- model: b\n  parameters:\n    weight: 0.3\n"),
                           testing::linear()));
  EXPECT_NO_THROW(validate(parse("merge_method: ties\nbase_model: c\n"
                                 "models: [{model: a}, {model: b, parameters: {weight: -0.5}}]\n"
                                 "parameters: {weight: 1, lambda: 0.5}\n"),
                           testing::ties()));
}

TEST(ParseRecipe, Modules) {
  const Recipe r = parse(R"(merge_method: linear
modules:
  text_decoder:
    models:
      - model: a
      - model: b
    parameters: {weight: 0.5}
  vision_tower:
    slices:
      - sources:
          - {model: a, layer_range: [0, 12]}
        base_model: a
        parameters: {weight: 1}
)");
  ASSERT_EQ(r.modules.size(), 2u);
  EXPECT_EQ(r.modules[0].name, "text_decoder");
  EXPECT_EQ(r.modules[0].mark.line, 3u);
  EXPECT_EQ(r.modules[0].parameters.count("weight"), 1u);
  EXPECT_EQ(r.modules[1].slices.size(), 1u);
  EXPECT_NO_THROW(validate(r, testing::linear()));
}

TEST(ParseRecipe, MerganserAdditions) {
  const Recipe r = parse(R"(merge_method: linear
models: [{model: a}, {model: b}]
parameters:
  weight: {blocks: {0-7: 0.2, "8-21": 0.8, 22: 1, embed: 0}}
  normalize: {value: no, filter: {glob: "*.bias"}}
  other: {value: 1, filter: {regex: "[qk]_proj"}}
seed: 18446744073709551615
integers: first
heads: {keep_from: b}
)");
  EXPECT_EQ(r.seed, 18446744073709551615u);
  EXPECT_EQ(r.integers, IntegerRule::first);
  EXPECT_EQ(r.heads.kind, HeadRule::Kind::keep_from);
  EXPECT_EQ(r.heads.from->path, "b");
  const auto& blocks = std::get<BlockWeights>(r.parameters.at("weight").cases[0].value);
  EXPECT_EQ(blocks.ranges.size(), 3u);
  EXPECT_EQ(blocks.places.size(), 1u);
  EXPECT_EQ(r.parameters.at("normalize").cases[0].filter->kind, Filter::Kind::glob);
  EXPECT_EQ(r.parameters.at("other").cases[0].filter->kind, Filter::Kind::regex);
  EXPECT_EQ(parse("merge_method: x\nmodels: [{model: a}]\nheads: drop\n").heads.kind,
            HeadRule::Kind::drop);
}

TEST(ParseRecipe, TextIsKeptAndDefaultsHold) {
  const std::string text =
      "# hello\nmerge_method: x\nmodels: [{model: a}]\nparameters:\ndtype: ~\n";
  const Recipe r = parse(text);
  EXPECT_EQ(r.text, text);
  EXPECT_EQ(r.file, "r.yml");
  EXPECT_EQ(r.seed, 0u);
  EXPECT_EQ(r.integers, IntegerRule::error);
  EXPECT_TRUE(r.parameters.empty());
  EXPECT_FALSE(r.dtype);
}

TEST(ParseRecipe, TokenizerFormsWithoutEffect) {
  const std::string head = "merge_method: x\nmodels: [{model: a}]\nbase_model: org/b\n";
  for (const char* tail :
       {"tokenizer_source: base", "tokenizer_source: org/b", "tokenizer: {source: base}",
        "tokenizer: {source: base, tokens: {}}", "tokenizer_source:", "tokenizer: ~"}) {
    EXPECT_NO_THROW(parse(head + tail + "\n")) << tail;
  }
}

TEST(ParseRecipe, ChatTemplates) {
  const std::string head = "merge_method: x\nmodels: [{model: a}]\nchat_template: ";
  for (const char* name : {"auto", "alpaca", "chatml", "exaone", "llama3", "mistral"}) {
    EXPECT_EQ(parse(head + name).chat_template, name);
  }
  EXPECT_EQ(parse(head + "\"{% for m in messages %}\"").chat_template, "{% for m in messages %}");
}

TEST(ParseRecipe, AliasesAndMergeKeys) {
  const Recipe r = parse(R"(merge_method: linear
models:
  - model: a
    parameters: &p {weight: 0.5, density: 1}
  - model: b
    parameters: *p
  - model: c
    parameters:
      <<: *p
      weight: 0.25
)");
  const auto weight = [&](std::size_t i) {
    return std::get<Value>(r.modules[0].models[i].parameters.at("weight").cases[0].value);
  };
  EXPECT_EQ(weight(1), Value(0.5));
  EXPECT_EQ(weight(2), Value(0.25));
  EXPECT_EQ(r.modules[0].models[2].parameters.count("density"), 1u);
}

TEST(ParseRecipe, ByteOrderMarkAndWindowsLineEnds) {
  const Recipe r = parse("\xEF\xBB\xBFmerge_method: x\r\nmodels:\r\n- model: a b\r\n");
  EXPECT_EQ(r.method, "x");
  EXPECT_EQ(r.modules[0].models[0].model.path, "a b");
}

TEST(ParseRecipe, DocumentMarkers) {
  EXPECT_NO_THROW(parse("---\nmerge_method: x\nmodels: [{model: a}]\n...\n"));
  EXPECT_NO_THROW(parse("%YAML 1.1\n---\nmerge_method: x\nmodels: [{model: a}]\n"));
}

TEST(ModelRef, TextForm) {
  const ModelRef r = parse_model_ref("org/base@v1+org/lora@v2");
  EXPECT_EQ(r.path, "org/base");
  EXPECT_EQ(r.revision, "v1");
  EXPECT_EQ(r.lora_path, "org/lora");
  EXPECT_EQ(r.lora_revision, "v2");
  EXPECT_EQ(r.to_string(), "org/base@v1+org/lora@v2");
  EXPECT_EQ(parse_model_ref("./a b").path, "./a b");
  EXPECT_EQ(parse_model_ref("a+b").to_string(), "a+b");
  EXPECT_FALSE(parse_model_ref("a").same_as(parse_model_ref("a@main")));
}

TEST(ModelRef, BrokenTextForms) {
  for (const char* text : {"", "a@b@c", "a+b+c", "@x", "a@", "a+", "+a", "a+b@", "a+@c"}) {
    EXPECT_THROW(parse_model_ref(text), Error) << text;
  }
}

TEST(ModelRef, MappingForm) {
  const Recipe r = parse(R"(merge_method: x
models:
  - model:
      model: {path: "odd@path+x", revision: v1}
      lora: {path: l}
      override_architecture: LlamaForCausalLM
  - model: {model: a@r, lora: b}
  - model: {model: a, lora: {path: b, scale: -0.5}}
)");
  const ModelRef& m = r.modules[0].models[0].model;
  EXPECT_EQ(m.path, "odd@path+x");
  EXPECT_EQ(m.revision, "v1");
  EXPECT_EQ(m.lora_path, "l");
  EXPECT_EQ(m.lora_scale, 1);
  EXPECT_EQ(m.override_architecture, "LlamaForCausalLM");
  EXPECT_TRUE(r.modules[0].models[1].model.same_as(parse_model_ref("a@r+b")));
  const ModelRef& scaled = r.modules[0].models[2].model;
  EXPECT_EQ(scaled.lora_scale, -0.5);
  EXPECT_EQ(scaled.to_string(), "a+b*-0.5");
  EXPECT_FALSE(scaled.same_as(parse_model_ref("a+b")));
}

}  // namespace
}  // namespace merganser
