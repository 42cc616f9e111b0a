// A model by the name that recipes give it, ready to run.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "api/request.h"
#include "merganser/evaluate.h"
#include "recipe/recipe.h"
#include "runtime/model.h"

namespace merganser {

// The program's threads, device and type. Throws Error(usage).
rt::Placement place_runtime(const RuntimeOptions& options);

struct OpenModel {
  std::string name;  // as it was given
  std::shared_ptr<const Source> source;
  std::shared_ptr<const Json> config;
  std::string config_place;
  std::unique_ptr<rt::Model> model;
  std::shared_ptr<const Plan> plan;  // that copies it: its files, its place; null of a drawn one
};

// A checkpoint, `base+adapter`, a task of a task-switched output. Throws Error for what cannot be
// opened or run.
OpenModel open_model(const std::string& name, const rt::Placement& placement);
// One that the recipe in that file names.
OpenModel open_model(const ModelRef& ref, const std::string& recipe_file,
                     const rt::Placement& placement);

// A file to be merged rather than a model: its name says so.
bool is_recipe(const std::string& name);

// Of a folder's config.json alone: weights drawn from the seed. Without `source` and `plan`.
OpenModel draw_model(const std::string& folder, std::uint64_t seed, const rt::Placement& placement);

}  // namespace merganser
