#include "recipe/format.h"

#include "recipe/recipe_testing.h"

namespace merganser {
namespace {

using testing::parse;

TEST(ToYaml, Canonical) {
  const char* text = R"(merge_method: ties
base_model: org/base@v1
models:
  - model: ./a
    parameters:
      density: [1, 0.7, 1e-05]
      weight: [{value: [0, 1], filter: mlp}, {value: {blocks: {0-7: 0.2, 22: 1, embed: 0}}}]
  - model: {model: {path: odd@path, revision: r}, lora: {path: l}, override_architecture: Llama}
    parameters:
      weight: {blocks: {0: true, default: "0.5"}}
  - model: b@r+lora@s
  - model: {model: {path: b}, lora: {path: l, scale: 0.5}}
parameters:
  lambda: [{value: 0.5, filter: {glob: "*.mlp.*"}}, {value: 1, filter: {regex: "[qk]_proj\\."}}]
  normalize: []
  sign: "yes"
dtype: float32
out_dtype: bfloat16
chat_template: "{% for \"m\" in messages %}\n{{ m }}"
seed: 7
integers: first
heads: {keep_from: ./a}
)";
  EXPECT_EQ(to_yaml(parse(text)), text);
}

TEST(ToYaml, SlicesAndModules) {
  const char* slices = R"(merge_method: passthrough
slices:
  - sources:
      - model: a
        layer_range: [0, 24]
        parameters:
          scale: 0.5
  - sources:
      - model: b
        layer_range: [8, 32]
    base_model: c
    parameters:
      scale: 1
integers: base
heads: drop
)";
  EXPECT_EQ(to_yaml(parse(slices)), slices);
  const char* modules = R"(merge_method: linear
modules:
  text_decoder:
    models:
      - model: a
      - model: b
    parameters:
      weight: 0.5
  "vision tower":
    slices:
      - sources:
          - model: a
            layer_range: [0, 12]
)";
  EXPECT_EQ(to_yaml(parse(modules)), modules);
}

TEST(ToYaml, ModelNamesThatNeedQuotes) {
  for (const char* path :
       {"yes",  "null",  "~",    "010", "1e5", "a: b",   "a #b",      "- a",       "x\ny",
        "é/ü",  "\"q\"", "a\\b", " a",  "%a",  "*a",     "&a",        "!a",        "{a}",
        "\x7f", "\x01",  ".",    "..",  "./a", "../a b", "/abs/path", "C:\\models"}) {
    Recipe recipe;
    recipe.method = "linear";
    RecipeSource& source = recipe.modules.emplace_back().models.emplace_back();
    source.model.path = path;
    const Recipe again = parse(to_yaml(recipe));
    EXPECT_EQ(again.modules[0].models[0].model.path, path);
  }
}

TEST(ToYaml, RecipeMadeInMemory) {
  Recipe recipe;
  recipe.method = "slerp";
  recipe.base_model = parse_model_ref("a");
  RecipeModule& module = recipe.modules.emplace_back();
  module.models.emplace_back().model = parse_model_ref("b");
  module.parameters["t"] = Setting::constant(0.1);  // of the only module: the recipe's
  EXPECT_EQ(to_yaml(recipe),
            "merge_method: slerp\nbase_model: a\nmodels:\n  - model: b\nparameters:\n  t: 0.1\n");
  EXPECT_NO_THROW(validate(parse(to_yaml(recipe)), testing::slerp()));
}

}  // namespace
}  // namespace merganser
