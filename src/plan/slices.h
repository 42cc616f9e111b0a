// A recipe's models, slices or modules as one list of slices for each module of the output.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "plan/plan.h"

namespace merganser {

struct SliceSource {
  std::size_t model = 0;                  // index in Plan::models
  const RecipeSource* written = nullptr;  // null for a base_model that is not listed
  std::size_t first = 0, last = 0;        // layers [first, last)
};

struct PlannedSlice {
  const RecipeModule* module = nullptr;
  const RecipeSlice* written = nullptr;  // null for the models form
  std::vector<SliceSource> sources;
  std::optional<std::size_t> base;  // index in Plan::models
  std::size_t output_first = 0;     // the slice's first layer in the output

  std::size_t layers() const { return sources.front().last - sources.front().first; }
};

struct PlannedModule {
  std::size_t module = 0;  // index in the reference's Architecture::modules()
  std::vector<PlannedSlice> slices;
  bool stacked = false;  // written as slices: the config's layer count may change
};

// One entry for each module of the reference architecture, in its order. Throws Error(mismatch) for
// models of different depth and ranges beyond a model's layers.
std::vector<PlannedModule> plan_slices(const Recipe& recipe, BaseRole role,
                                       const std::vector<PlanModel>& models, std::size_t reference);

}  // namespace merganser
