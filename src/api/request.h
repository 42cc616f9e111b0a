// A public Request as a recipe, a plan and a budget.
#pragma once

#include "execute/budget.h"
#include "merganser/merganser.h"
#include "plan/plan.h"

namespace merganser {

struct Prepared {
  Plan plan;
  Budget budget;
};

// Throws Error for everything that can be seen from recipe and headers.
Prepared prepare(const Request& request);

PlanReport describe(const Prepared& prepared, const Request& request);

}  // namespace merganser
