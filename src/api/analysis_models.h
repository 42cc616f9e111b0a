// What an analysis is asked about: the checkpoints of a request, and the merge of its recipe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analyze/methods.h"
#include "merganser/analyze.h"
#include "plan/plan.h"

namespace merganser {

struct AnalysisModels {
  std::vector<PlanModel> models;      // the base first
  std::optional<AnalysedMethod> own;  // the recipe's merge, where it is to be foretold and can be
  std::uint64_t values = 0;           // singular values that it rests on
  std::uint64_t seed = 0;             // the recipe's
  std::vector<std::string> notes;
};

// Of a recipe: every checkpoint that it or one of its documents names. Reads the recipe once, and
// opens each checkpoint once. Throws Error for what is no recipe, or names no base or model.
AnalysisModels analysis_models(const AnalysisRequest& request);

}  // namespace merganser
