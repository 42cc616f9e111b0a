#include "recipe/edit.h"

#include "recipe/format.h"
#include "recipe/recipe_testing.h"
#include "recipe/relocate.h"

#include "base/testing.h"

namespace merganser {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kText = R"(# a comment
merge_method: ties
base_model: base
models:
  - model: a
    parameters: &own {weight: 0.5, density: [0.1, 0.9]}
  - model: "b, c: d"   # quoted
    parameters: *own
parameters:
  lambda: 1
  t:
    - {filter: mlp, value: 0.3}
    - value: 0.7
)";

std::vector<std::string> values(const std::string& path, const std::string& text = kText) {
  return EditableRecipe(text, "r.yml").values(parse_recipe_path(path));
}

std::string set(const std::string& path, const std::string& value,
                const std::string& text = kText) {
  EditableRecipe recipe(text, "r.yml");
  recipe.set(parse_recipe_path(path), value);
  return recipe.text();
}

// The canonical text of the recipe with a value changed.
std::string canonical(const std::string& path, const std::string& value,
                      const std::string& text = kText) {
  return to_yaml(parse_recipe(set(path, value, text), "r.yml"));
}

TEST(EditableRecipe, FindsValues) {
  EXPECT_THAT(values("parameters.lambda"), ElementsAre("1"));
  EXPECT_THAT(values("models[1].parameters.weight"), ElementsAre("0.5"));
  EXPECT_THAT(values("models[*].parameters.weight"), ElementsAre("0.5", "0.5"));
  EXPECT_THAT(values("models[0].parameters.density"), ElementsAre(""));  // a list
  EXPECT_THAT(values("models[0].parameters.density[1]"), ElementsAre("0.9"));
  EXPECT_THAT(values("parameters.t[0].value"), ElementsAre("0.3"));
  EXPECT_THAT(values("parameters.\"lambda\""), ElementsAre("1"));
  EXPECT_THAT(values("merge_method"), ElementsAre("ties"));
}

TEST(EditableRecipe, ChangesOneValueAndNothingElse) {
  EXPECT_EQ(to_yaml(parse_recipe(kText, "r.yml")), canonical("parameters.lambda", "1"));
  std::string expected = to_yaml(parse_recipe(kText, "r.yml"));
  const std::size_t at = expected.find("lambda: 1");
  expected.replace(at, 9, "lambda: 0.25");
  EXPECT_EQ(canonical("parameters.lambda", "0.25"), expected);
}

TEST(EditableRecipe, AnAliasIsChangedWhereItIsNamed) {
  const Recipe recipe = parse_recipe(set("models[1].parameters.weight", "0.9"), "r.yml");
  const auto weight = [&](std::size_t i) {
    return *recipe.modules[0].models[i].parameters.at("weight").evaluate({});
  };
  EXPECT_EQ(weight(0), Value(0.5));
  EXPECT_EQ(weight(1), Value(0.9));
  EXPECT_EQ(recipe.modules[0].models[1].model.path, "b, c: d");
}

TEST(EditableRecipe, SetsElementsOfGradientsAndWholeLists) {
  EXPECT_THAT(canonical("models[0].parameters.density[1]", "0.4"),
              HasSubstr("density: [0.1, 0.4]"));
  EXPECT_THAT(canonical("models[0].parameters.density", "0.4"), HasSubstr("density: 0.4"));
}

TEST(EditableRecipe, AddsParametersThatHaveTheirDefaults) {
  EXPECT_THAT(canonical("parameters.sign", "count"), HasSubstr("sign: count"));
  const std::string bare = "merge_method: x\nbase_model: b\nmodels: [{model: a}]\n";
  EXPECT_THAT(canonical("parameters.lambda", "2", bare), HasSubstr("lambda: 2"));
  EXPECT_THAT(canonical("models[0].parameters.weight", "2", bare), HasSubstr("weight: 2"));
  EXPECT_THAT(canonical("seed", "7", bare), HasSubstr("seed: 7"));
  EXPECT_THAT(values("models[0].parameters.weight", bare), ElementsAre(""));
}

TEST(EditableRecipe, SlicesLinesAndModules) {
  const std::string text =
      "merge_method: x\nbase_model: b\nlines: {alpha: 1, beta: 0}\nslices:\n"
      "  - sources: [{model: a, layer_range: [0, 2], parameters: {weight: 1}}]\n"
      "  - sources: [{model: a, layer_range: [2, 4]}]\n    parameters: {t: [0, 1]}\n";
  EXPECT_THAT(canonical("lines.alpha", "0.5", text), HasSubstr("alpha: 0.5"));
  EXPECT_THAT(canonical("slices[1].parameters.t[0]", "0.5", text), HasSubstr("t: [0.5, 1]"));
  EXPECT_THAT(canonical("slices[0].sources[0].layer_range[1]", "1", text),
              HasSubstr("layer_range: [0, 1]"));
  const std::string modules =
      "merge_method: x\nmodules: {a.b: {models: [{model: m, parameters: {weight: 1}}]}}\n";
  EXPECT_THAT(canonical("modules.\"a.b\".models[0].parameters.weight", "3", modules),
              HasSubstr("weight: 3"));
}

TEST(EditableRecipe, DocumentsAreNamedInFront) {
  const std::string text =
      "name: first\nmerge_method: x\nmodels: [{model: a}]\nparameters: {t: 1}\n---\n"
      "merge_method: y\nmodels: [{model: first}]\nparameters: {t: 2}\n";
  EXPECT_THAT(values("parameters.t", text), ElementsAre("2"));
  EXPECT_THAT(values("first: parameters.t", text), ElementsAre("1"));
  EXPECT_THAT(values("first:parameters.t", text), ElementsAre("1"));
  const Recipe changed = parse_recipe(set("first: parameters.t", "5", text), "r.yml");
  EXPECT_THAT(to_yaml(*changed.documents[0]), HasSubstr("t: 5"));
  EXPECT_THAT(test::complaint([&] { values("frist: parameters.t", text); }),
              HasSubstr("did you mean 'first'?"));
}

TEST(EditableRecipe, SaysWhatIsThereInstead) {
  const auto said = [](const std::string& path) { return test::complaint([&] { values(path); }); };
  EXPECT_THAT(said("model[0].parameters.weight"), HasSubstr("did you mean 'models'?"));
  EXPECT_THAT(said("models[2].parameters.weight"), HasSubstr("'models' has 2 entries"));
  EXPECT_THAT(said("models.parameters"), HasSubstr("'models' is a list"));
  EXPECT_THAT(said("parameters.lambda.x"), HasSubstr("'parameters.lambda' is '1'"));
  EXPECT_THAT(said("merge_method[0]"), HasSubstr("not a list"));
  EXPECT_THAT(said("models[0].paramters.weight"), HasSubstr("did you mean 'parameters'?"));
}

TEST(RecipePath, RefusesWhatIsNoPath) {
  for (const char* text : {"", ".", "a.", "a[", "a[x]", "a[1", "a[-1]", "a b", "\"a", "a:", "a]"}) {
    EXPECT_THROW(parse_recipe_path(text), Error) << text;
  }
}

TEST(Relocate, PathsBesideTheRecipeAreSeenFromTheNewFolder) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directories(folder / "in/model-a");
  std::filesystem::create_directories(folder / "out");
  Recipe recipe = parse_recipe(
      "merge_method: x\nbase_model: /absolute\nmodels: [{model: model-a}, {model: org/hub}]\n",
      (folder / "in/recipe.yml").string());
  relocate(recipe, folder / "out");
  EXPECT_EQ(recipe.modules[0].models[0].model.path, "../in/model-a");
  EXPECT_EQ(recipe.modules[0].models[1].model.path, "org/hub");
  EXPECT_EQ(recipe.base_model->path, "/absolute");
}

}  // namespace
}  // namespace merganser
