// A recipe's text with other values in it: what a search over its parameters tries.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace merganser {

namespace yaml {
struct Node;
}

// Where values stand in a recipe: keys joined by dots, entries of lists by their number from 0 or
// all of them by [*], a document of several by its name in front. Keys with other signs in quotes.
//
//   parameters.lambda            models[0].parameters.weight      models[*].parameters.density
//   slices[1].sources[0].parameters.weight                        lines.alpha
//   parameters.t[2]              (of a gradient)                  merged: parameters.density
struct RecipePath {
  struct Step {
    enum class Kind { key, index, all } kind = Kind::key;
    std::string key;
    std::size_t index = 0;
  };
  std::string text;      // as written
  std::string document;  // "": the final merge
  std::vector<Step> steps;
};

// Throws Error(usage).
RecipePath parse_recipe_path(std::string_view text);

class EditableRecipe {
 public:
  // Throws Error(recipe) for what is no YAML. The recipe's own rules are parse_recipe()'s.
  EditableRecipe(std::string_view text, std::string file);

  // The scalars that are at the path now; "" where it leads to a list or mapping, or to a parameter
  // that is not set yet. Throws Error(usage) for a path that leads nowhere, naming what there is.
  std::vector<std::string> values(const RecipePath& path) const;
  // Puts a plain scalar there: a number, a flag or a word. A parameter that is not set yet is
  // added. Throws as values() does.
  void set(const RecipePath& path, const std::string& value);

  // YAML of the same recipe apart from comments, quotes and line breaks.
  std::string text() const;

 private:
  using NodePtr = std::shared_ptr<const yaml::Node>;
  std::size_t document(const RecipePath& path) const;

  std::vector<NodePtr> documents_;
  std::string file_;
};

}  // namespace merganser
