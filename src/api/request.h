// A public Request as a recipe, a plan and a budget.
#pragma once

#include <optional>
#include <string>

#include "execute/budget.h"
#include "merganser/merganser.h"
#include "plan/plan.h"
#include "smile/module.h"

namespace merganser {

// A merge whose output is a mixture: what has to be decomposed before it is written.
struct Mixture {
  Plan plan;  // of the base's tensors; Prepared::plan is that of the output
  SmileModules modules;
};

struct Prepared {
  Plan plan;
  Budget budget;
  std::optional<Mixture> mixture;
  bool blas = false;  // it multiplies or decomposes by BLAS; its threads are then set
};

// The text of a recipe; a file too large for one is refused.
std::string read_recipe(const std::string& file);

// Throws Error for everything that can be seen from recipe and headers.
Prepared prepare(const Request& request);

PlanReport describe(const Prepared& prepared, const Request& request);

}  // namespace merganser
