#include "recipe/validate.h"

#include "recipe/recipe_testing.h"

namespace merganser {
namespace {

using testing::expect_error;
using testing::linear;
using testing::parse;
using testing::passthrough;
using testing::slerp;
using testing::ties;

void refuse(const std::string& text, const Descriptor& method, std::size_t line, std::size_t column,
            const std::string& part) {
  SCOPED_TRACE(text);
  const Recipe recipe = parse(text);
  expect_error([&] { validate(recipe, method); }, ErrorKind::recipe, line, column, part);
}

void accept(const std::string& text, const Descriptor& method) {
  SCOPED_TRACE(text);
  const Recipe recipe = parse(text);
  EXPECT_NO_THROW(validate(recipe, method));
}

const std::string kTies =
    "merge_method: ties\n"
    "base_model: base\n"
    "models: [{model: a}, {model: b}]\n";  // three lines

TEST(Validate, ParameterNames) {
  refuse(kTies + "parameters: {weight: 1, densty: 0.5}\n", ties(), 4, 25,
         "method 'ties' has no parameter 'densty'; did you mean 'density'?");
  refuse("merge_method: ties\nbase_model: c\nmodels:\n- model: a\n  parameters: {wieght: 1}\n",
         ties(), 5, 16, "did you mean 'weight'?");
  // Under the base, too, where values are ignored.
  refuse(
      "merge_method: ties\nbase_model: c\nmodels:\n- model: c\n  parameters: {wieght: 1}\n"
      "- {model: a, parameters: {weight: 1}}\n",
      ties(), 5, 16, "did you mean 'weight'?");
  refuse("merge_method: passthrough\nslices:\n- sources: [{model: a}]\n  parameters: {foo: 1}\n",
         passthrough(), 4, 16, "no parameter 'foo'");
  refuse(
      "merge_method: linear\nmodules:\n  m:\n    models: [{model: a}]\n    parameters: {foo: 1}\n",
      linear(), 5, 18, "no parameter 'foo'");
  Descriptor none;
  none.name = "none";
  refuse("merge_method: none\nmodels: [{model: a}]\nparameters: {foo: 1}\n", none, 3, 14,
         "it takes none");
}

TEST(Validate, SharedParameterUnderAModel) {
  refuse("merge_method: ties\nbase_model: c\nmodels:\n- model: a\n  parameters: {lambda: 1}\n",
         ties(), 5, 16, "'lambda' is shared by all models");
}

TEST(Validate, TypesRangesAndChoices) {
  const struct {
    const char* parameter;
    std::size_t column;
    const char* part;
  } rows[] = {
      {"density: 1.5", 34, "'density' must be between 0 and 1, not 1.5"},
      {"density: -0.1", 34, "between 0 and 1"},
      {"density: [0, 2]", 34, "not 2"},
      {"density: abc", 34, "'density' must be a number, not 'abc'"},
      {"density: 'inf'", 34, "must be a number"},
      {"density: {blocks: {0: 0.5, embed: 3}}", 34, "not 3"},
      {"density: {blocks: {0: 4}}", 34, "not 4"},
      {"density: [{value: 1}, {value: 7, filter: x}]", 55, "not 7"},
      {"normalize: 2", 36, "'normalize' must be true or false, not 2"},
      {"normalize: maybe", 36, "not 'maybe'"},
      {"sign: mas", 31, "'sign' has no choice 'mas'; did you mean 'mass'?"},
      {"sign: yes", 31, "'sign' must be a word, not true; put the word in quotes"},
      {"steps: 2.5", 32, "'steps' must be a whole number, not 2.5"},
      {"steps: 0", 32, "'steps' must be at least 1, not 0"},
      {"scope: [tensor, model]", 25, "'scope' must be the same for every tensor"},
      {"scope: {value: model, filter: mlp}", 25, "same for every tensor"},
      {"scope: {blocks: {default: model}}", 25, "same for every tensor"},
  };
  for (const auto& row : rows) {
    refuse(kTies + "parameters: {weight: 1, " + row.parameter + "}\n", ties(), 4, row.column,
           row.part);
  }
  accept(kTies +
             "parameters: {weight: '1e-5', density: [0, 1], normalize: [0, 1], sign: [mass, count],"
             " scope: model, steps: 3, lambda: {value: yes}}\n",
         ties());
}

TEST(Validate, ConstantOnlyOnTheTopLevel) {
  refuse(
      "merge_method: ties\nbase_model: c\nslices:\n- sources: [{model: a}]\n"
      "  parameters: {weight: 1, scope: model}\n",
      ties(), 5, 27, "'scope' must be the same for every tensor");
}

TEST(Validate, RequiredParameters) {
  refuse("merge_method: linear\nmodels:\n- {model: a, parameters: {weight: 1}}\n- model: b\n",
         linear(), 4, 3, "method 'linear' needs 'weight' for model 'b'");
  refuse("merge_method: linear\nmodels:\n- {model: a, parameters: {weight: []}}\n", linear(), 3, 3,
         "needs 'weight'");
  refuse("merge_method: slerp\nbase_model: a\nmodels: [{model: b}]\n", slerp(), 1, 15,
         "method 'slerp' needs the parameter 't'");
  refuse(
      "merge_method: slerp\nbase_model: a\nslices:\n- sources: [{model: b}]\n"
      "  parameters: {t: 0.5}\n- sources: [{model: b}]\n",
      slerp(), 6, 3, "needs the parameter 't'");
  // The base of a delta method needs none; nor does a passthrough's scale have to be given.
  accept(
      "merge_method: ties\nbase_model: a\nmodels: [{model: a}, {model: b, parameters: {weight: "
      "1}}]\n",
      ties());
  accept("merge_method: passthrough\nmodels: [{model: a}]\n", passthrough());
  for (const char* where : {"  parameters: {weight: 1}\n", "parameters: {weight: 1}\n"}) {
    accept(
        std::string("merge_method: linear\nslices:\n- sources: [{model: a}, {model: b}]\n") + where,
        linear());
  }
  accept(
      "merge_method: linear\nmodules:\n  m:\n    models: [{model: a}]\n    parameters: {weight: "
      "1}\n",
      linear());
}

TEST(Validate, UnlistedBaseIsAppended) {
  refuse("merge_method: linear\nbase_model: c\nmodels:\n- {model: a, parameters: {weight: 1}}\n",
         linear(), 2, 13, "needs 'weight' for base_model 'c', which is not listed");
  accept("merge_method: linear\nbase_model: c\nmodels: [{model: a}]\nparameters: {weight: 1}\n",
         linear());
  refuse("merge_method: passthrough\nbase_model: c\nmodels: [{model: a}]\n", passthrough(), 3, 1,
         "takes exactly 1 model, and here are 2; base_model 'c' is not listed");
  // In slices it is none of the inputs, unless the method has a part for it.
  const std::string slices = "base_model: c\nslices:\n- sources: [{model: a}]\n";
  accept("merge_method: passthrough\n" + slices, passthrough());
  accept("merge_method: ties\n" + slices + "parameters: {weight: 1}\n", ties());
  refuse("merge_method: passthrough\n" + slices + "integers: base\n", passthrough(), 4, 3,
         "needs a base_model among the slice's sources");
}

TEST(Validate, BaseAndNumberOfInputs) {
  refuse("merge_method: slerp\nmodels: [{model: a}, {model: b}]\nparameters: {t: 1}\n", slerp(), 1,
         15, "method 'slerp' needs a base_model");
  refuse(
      "merge_method: slerp\nbase_model: a\nmodels: [{model: a}, {model: b}, {model: c}]\n"
      "parameters: {t: 1}\n",
      slerp(), 3, 1, "takes exactly 1 model besides the base_model, and here are 2");
  refuse("merge_method: ties\nbase_model: a\nmodels: [{model: a}]\n", ties(), 3, 1,
         "takes at least 1 model besides the base_model, and here are 0");
  accept("merge_method: slerp\nbase_model: a\nmodels: [{model: b}]\nparameters: {t: 1}\n", slerp());
  // A slice's own base.
  accept(
      "merge_method: slerp\nslices:\n- sources: [{model: a}, {model: b}]\n  base_model: a\n"
      "parameters: {t: 1}\n",
      slerp());
  Descriptor two = linear();
  two.max_inputs = 2;
  refuse(
      "merge_method: linear\nmodels: [{model: a}, {model: b}, {model: c}]\n"
      "parameters: {weight: 1}\n",
      two, 2, 1, "takes at most 2 models, and here are 3");
}

TEST(Validate, SameModelTwice) {
  refuse(
      "merge_method: linear\nmodels:\n- model: a\n- model: b\n- model: a\n"
      "parameters: {weight: 1}\n",
      linear(), 5, 10, "model 'a' stands twice in one list of models, first at 3:10");
  accept("merge_method: linear\nmodels: [{model: a}, {model: a@main}]\nparameters: {weight: 1}\n",
         linear());
}

TEST(Validate, LayerRanges) {
  const std::string head = "merge_method: linear\nparameters: {weight: 1}\nslices:\n- sources:\n";
  refuse(head + "  - {model: a, layer_range: [0, 4]}\n  - {model: b, layer_range: [4, 9]}\n",
         linear(), 6, 5, "has 5 layers, the slice's first source has 4 layers");
  refuse(head + "  - {model: a, layer_range: [0, 4]}\n  - {model: b}\n", linear(), 6, 5,
         "without layer_range");
  refuse(head + "  - {model: a}\n  - {model: b, layer_range: [0, 4]}\n", linear(), 5, 5,
         "without layer_range");
  accept(head + "  - {model: a, layer_range: [0, 4]}\n  - {model: b, layer_range: [4, 8]}\n",
         linear());
}

TEST(Validate, OptionsThatNameModels) {
  const std::string head =
      "merge_method: linear\nmodels: [{model: org/a}]\nparameters: {weight: 1}\n";
  refuse(head + "heads: {keep_from: org/b}\n", linear(), 4, 20,
         "'keep_from' names 'org/b', which is not merged; did you mean 'org/a'?");
  accept(head + "heads: {keep_from: org/a}\n", linear());
  refuse(head + "integers: base\n", linear(), 2, 1, "'integers: base' needs a base_model");
}

TEST(Validate, RecipesMadeInMemory) {
  Recipe recipe;
  recipe.method = "linear";
  EXPECT_THROW(validate(recipe, linear()), Error);
  RecipeModule& module = recipe.modules.emplace_back();
  RecipeSlice& slice = module.slices.emplace_back();
  EXPECT_THROW(validate(recipe, linear()), Error);
  RecipeSource& source = slice.sources.emplace_back();
  source.model = parse_model_ref("a");
  source.parameters["weight"] = Setting::constant(0.5);
  EXPECT_NO_THROW(validate(recipe, linear()));
  source.layers = {{4, 2}};
  EXPECT_THROW(validate(recipe, linear()), Error);
}

Parameters parameters(const std::string& yaml) {
  return parse("merge_method: m\nmodels: [{model: a}]\nparameters: " + yaml + "\n").parameters;
}

TEST(Resolve, Precedence) {
  const Descriptor method = ties();
  const Parameter& density = *method.find("density");
  const Parameters source = parameters("{density: {value: 0.1, filter: mlp}}");
  const Parameters slice = parameters("{density: [{value: [], filter: attn}, {value: 0.2}]}");
  const Parameters global = parameters("{density: 0.3}");
  const auto at = [&](std::string_view name, std::initializer_list<const Parameters*> levels) {
    Position position;
    position.name = name;
    return resolve(density, levels, position, "r.yml");
  };
  EXPECT_EQ(at("mlp", {&source, &slice, nullptr, &global}), Value(0.1));
  EXPECT_EQ(at("norm", {&source, &slice, nullptr, &global}), Value(0.2));
  EXPECT_EQ(at("attn", {&source, &slice, nullptr, &global}), Value(0.3));
  EXPECT_EQ(at("attn", {&source, &slice}), Value(1.0));  // the fallback
  EXPECT_EQ(at("attn", {}), Value(1.0));
  const Descriptor pass = passthrough();
  EXPECT_EQ(resolve(*pass.find("scale"), {&global}, {}, ""), std::nullopt);
}

TEST(Resolve, ConvertsByType) {
  const Descriptor method = ties();
  const Parameters p = parameters(
      "{normalize: [0, 1], lambda: [no, yes], sign: [mass, count], weight: ['1e-5', 0]}");
  Position half;
  half.t = 0.5;
  EXPECT_EQ(resolve(*method.find("normalize"), {&p}, half, ""), Value(false));
  EXPECT_EQ(resolve(*method.find("lambda"), {&p}, half, ""), Value(0.5));
  EXPECT_EQ(resolve(*method.find("sign"), {&p}, half, ""), Value(std::string("mass")));
  EXPECT_EQ(resolve(*method.find("weight"), {&p}, half, ""), Value(5e-6));
}

TEST(Resolve, ErrorsPointAtTheCase) {
  const Descriptor method = ties();
  const Parameters p = parameters("{steps: [1, 2], density: 7, weight: [0, abc], normalize: 3}");
  Position half;
  half.t = 0.5;
  const auto act = [&](const char* name) {
    return [&, name] { resolve(*method.find(name), {&p}, half, "r.yml"); };
  };
  expect_error(act("steps"), ErrorKind::recipe, 3, 21,
               "r.yml:3:21: 'steps' must be a whole number");
  expect_error(act("density"), ErrorKind::recipe, 3, 38, "between 0 and 1");
  expect_error(act("weight"), ErrorKind::recipe, 3, 49, "r.yml:3:49: 'abc' is not a number");
  expect_error(act("normalize"), ErrorKind::recipe, 3, 70, "true or false");
}

}  // namespace
}  // namespace merganser
