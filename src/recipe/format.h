// A recipe as text again.
#pragma once

#include <string>

#include "recipe/recipe.h"

namespace merganser {

// Canonical YAML: parse_recipe() of it gives the same recipe, apart from marks and text. What holds
// its default is left out.
std::string to_yaml(const Recipe& recipe);

}  // namespace merganser
