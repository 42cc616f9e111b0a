// The parts of the recipe's parser. Private to this layer.
#pragma once

#include <string>
#include <vector>

#include "recipe/recipe.h"
#include "recipe/yaml_walk.h"

namespace merganser {

// "path@rev+lora" or {model: {path, revision}, lora: …, override_architecture: …}.
ModelRef parse_model_node(const yaml::Node& node, const std::string& file);

// {weight: 0.5, density: [0.1, 0.9], …}
Parameters parse_parameters(const yaml::Node& node, const std::string& file);

// The values under `models:` and `slices:`.
std::vector<RecipeSource> parse_models(const yaml::Node& node, const std::string& file);
std::vector<RecipeSlice> parse_slices(const yaml::Node& node, const std::string& file);

// Top-level keys that are neither models nor parameters: dtype, out_dtype, tokenizer,
// tokenizer_source, chat_template, seed, integers, heads. After recipe.base_model is set.
void parse_options(const yaml::Map& map, Recipe& recipe);

// One final merge out of a text's documents. Throws Error(recipe) for names that repeat, circles,
// and documents that nothing uses.
Recipe join_documents(std::vector<Recipe> documents, const std::string& file);

}  // namespace merganser
