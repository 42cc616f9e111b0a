#include "recipe/parse.h"

#include <fmt/format.h>

#include <utility>

#include "recipe/parse_parts.h"

namespace merganser {
namespace {

using yaml::Node;

RecipeModule parse_module(const yaml::Entry& entry, const std::string& file) {
  if (entry.key.empty()) yaml::fail(file, entry.mark, "a module without a name");
  const yaml::Map map(*entry.value, fmt::format("module {}", yaml::quoted(entry.key)),
                      {"models", "slices", "parameters"}, file);
  const Node* models = map.find("models");
  const Node* slices = map.find("slices");
  if ((models == nullptr) == (slices == nullptr)) {
    yaml::fail(file, entry.mark,
               fmt::format("module {} has {} 'models' {} 'slices'", yaml::quoted(entry.key),
                           models ? "both" : "neither", models ? "and" : "nor"),
               "give it exactly one of them");
  }
  RecipeModule module;
  module.name = entry.key;
  module.mark = entry.mark;
  if (models) module.models = parse_models(*models, file);
  if (slices) module.slices = parse_slices(*slices, file);
  if (const Node* parameters = map.find("parameters")) {
    module.parameters = parse_parameters(*parameters, file);
  }
  return module;
}

std::vector<RecipeModule> parse_contents(const yaml::Map& map) {
  static constexpr std::string_view kForms[] = {"models", "slices", "modules"};
  const Node* contents = nullptr;
  std::string_view form;
  for (const std::string_view key : kForms) {
    const Node* node = map.find(key);
    if (!node) continue;
    if (contents) {
      yaml::fail(map.file(), map.mark_of(key),
                 fmt::format("'{}' and '{}' (line {}) exclude each other", key, form,
                             map.mark_of(form).line),
                 "keep one of them");
    }
    contents = node;
    form = key;
  }
  if (!contents) {
    yaml::fail(map.file(), map.node().mark, "the recipe names no models",
               "give it one of 'models', 'slices' and 'modules'");
  }
  std::vector<RecipeModule> modules;
  if (form == "modules") {
    if (contents->kind != Node::Kind::mapping || contents->entries.empty()) {
      yaml::fail(map.file(), contents->mark,
                 fmt::format("'modules' must map module names to their models, not {}",
                             contents->entries.empty() && contents->kind == Node::Kind::mapping
                                 ? "nothing"
                                 : describe(*contents)));
    }
    for (const yaml::Entry& entry : contents->entries) {
      modules.push_back(parse_module(entry, map.file()));
    }
    return modules;
  }
  RecipeModule& module = modules.emplace_back();
  module.mark = map.mark_of(form);
  if (form == "models") {
    module.models = parse_models(*contents, map.file());
  } else {
    module.slices = parse_slices(*contents, map.file());
  }
  return modules;
}

Recipe parse_document(const Node* root, const std::string& file) {
  Recipe recipe;
  recipe.file = file;
  if (!root || root->kind == Node::Kind::null) {
    yaml::fail(recipe.file, {}, "the recipe is empty",
               "it needs at least 'merge_method' and 'models'");
  }
  if (root->kind != Node::Kind::mapping) {
    yaml::fail(recipe.file, root->mark,
               fmt::format("a recipe is a mapping of keys to values, not {}", describe(*root)),
               "it begins for instance with 'merge_method: linear'");
  }
  const yaml::Map map(*root, "the recipe",
                      {"merge_method", "models", "slices", "modules", "base_model", "parameters",
                       "dtype", "out_dtype", "tokenizer_source", "tokenizer", "chat_template",
                       "seed", "integers", "heads", "lines", "name"},
                      recipe.file);
  if (const Node* name = map.find("name")) {
    recipe.name = yaml::text_of(*name, "name", recipe.file);
    recipe.name_mark = name->mark;
  }
  const Node& method = map.require("merge_method");
  recipe.method = yaml::text_of(method, "merge_method", recipe.file);
  if (recipe.method.empty()) yaml::fail(recipe.file, method.mark, "merge_method is empty");
  recipe.method_mark = method.mark;
  if (const Node* base = map.find("base_model")) {
    recipe.base_model = parse_model_node(*base, recipe.file);
  }
  recipe.modules = parse_contents(map);
  if (const Node* parameters = map.find("parameters")) {
    recipe.parameters = parse_parameters(*parameters, recipe.file);
  }
  parse_options(map, recipe);
  return recipe;
}

}  // namespace

Recipe parse_recipe(std::string_view text, std::string file) {
  std::vector<Recipe> documents;
  for (const yaml::NodePtr& root : yaml::read(text, file)) {
    documents.push_back(parse_document(root.get(), file));
  }
  Recipe recipe =
      documents.size() == 1 ? std::move(documents[0]) : join_documents(std::move(documents), file);
  recipe.text = text;
  return recipe;
}

}  // namespace merganser
