// From how a model is named to where it lies.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "checkpoint/hub_cache.h"

namespace merganser {

struct Located {
  std::filesystem::path path;      // may not exist: then opening it says what to do
  std::optional<HubSnapshot> hub;  // where it was found in the hub's cache
};

// A path that exists, from the working folder or else beside `recipe_file` (where not ""); else a
// model in the hub's cache. Throws Error: a revision that the cache does not have, or of a local
// path, which has none.
Located locate_model(const std::string& name, const std::string& revision,
                     const std::string& recipe_file);

}  // namespace merganser
