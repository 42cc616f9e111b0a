// YAML text → Recipe. Syntax and schema only; parameters are checked in validate.h.
#pragma once

#include <string>
#include <string_view>

#include "recipe/recipe.h"

namespace merganser {

// Several documents are one recipe: the final merge, with the others in Recipe::documents.
// `file` is used in errors and to resolve nothing (paths stay as written).
// Throws Error(recipe) with line and column: YAML syntax, unknown or duplicate keys with the
// nearest known name, wrong types, forms that exclude each other, size limits (1 MiB text, depth
// 64).
Recipe parse_recipe(std::string_view text, std::string file);

// The "path[@rev][+lora[@rev]]" form. Throws Error(recipe).
ModelRef parse_model_ref(std::string_view text);

}  // namespace merganser
