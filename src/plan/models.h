// Opens the models of a recipe and brings their tensor names into one naming.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace merganser {

// What is named outside of a recipe: a path that exists as it stands, else the compact form
// "path[@revision][+lora[@revision]]". Throws Error.
ModelRef model_ref(const std::string& name);

// `recipe_file` helps to find relative paths. Throws Error for what cannot be opened.
PlanModel open_model(const ModelRef& ref, const std::string& recipe_file);
// A model of a plan as it was when it was opened: in its own naming.
PlanModel as_opened(PlanModel model);
// Both read the same tensors: one checkpoint, task, adapter and factor. Not of documents.
bool reads_the_same(const PlanModel& a, const PlanModel& b);
// In the order of Recipe::referenced_models(); a path that names one of `documents` is its output.
// Throws Error for what cannot be opened or is not merged yet.
std::vector<PlanModel> open_models(const Recipe& recipe,
                                   std::span<const std::shared_ptr<const Plan>> documents);

// Fills PlanModel::names in the naming of models[reference]: equal names, or names behind one
// unique prefix ("bert."), or by role where families differ and `allow_mixed` says so.
void bridge_names(std::vector<PlanModel>& models, std::size_t reference, bool allow_mixed,
                  std::vector<std::string>& notes);

// Only the prefixes, whatever the families.
void bridge_prefixes(std::vector<PlanModel>& models, std::size_t reference,
                     std::vector<std::string>& notes);

std::size_t model_index(const std::vector<PlanModel>& models, const ModelRef& ref);

}  // namespace merganser
