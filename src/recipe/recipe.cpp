#include "recipe/recipe.h"

#include <fmt/format.h>

#include <algorithm>

namespace merganser {

std::string ModelRef::to_string() const {
  std::string text = path;
  if (!revision.empty()) text += '@' + revision;
  if (!lora_path.empty()) text += '+' + lora_path;
  if (!lora_revision.empty()) text += '@' + lora_revision;
  if (lora_scale != 1) text += fmt::format("*{}", lora_scale);
  if (!task.empty()) text += '#' + task;
  return text;
}

bool ModelRef::same_as(const ModelRef& other) const {
  return path == other.path && revision == other.revision && lora_path == other.lora_path &&
         lora_revision == other.lora_revision && lora_scale == other.lora_scale &&
         override_architecture == other.override_architecture && task == other.task &&
         task_base == other.task_base;
}

// By structure, not by place in the text: moving `base_model:` to another line changes nothing.
std::vector<ModelRef> Recipe::referenced_models() const {
  std::vector<ModelRef> models;
  const auto add = [&](const ModelRef& model) {
    const auto same = [&](const ModelRef& known) { return known.same_as(model); };
    if (std::none_of(models.begin(), models.end(), same)) models.push_back(model);
  };
  for (const RecipeModule& module : modules) {
    for (const RecipeSource& source : module.models) add(source.model);
    for (const RecipeSlice& slice : module.slices) {
      for (const RecipeSource& source : slice.sources) add(source.model);
      if (slice.base_model) add(*slice.base_model);
    }
  }
  if (base_model) add(*base_model);
  if (heads.from) add(*heads.from);
  return models;
}

}  // namespace merganser
