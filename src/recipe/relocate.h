// A recipe that is written into another folder than the one it was read from.
#pragma once

#include <filesystem>

#include "recipe/recipe.h"

namespace merganser {

// Models that are only found beside `recipe.file` get paths that are found beside a file in
// `folder`. Others stay as they are: absolute ones, those in the working folder, names on the hub,
// documents.
void relocate(Recipe& recipe, const std::filesystem::path& folder);

}  // namespace merganser
