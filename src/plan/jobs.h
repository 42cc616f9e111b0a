// One job for each output tensor: its inputs, their resolved settings, what the method makes of
// them.
#pragma once

#include <vector>

#include "plan/plan.h"
#include "plan/slices.h"

namespace merganser {

// Fills plan.jobs (sorted by name), plan.left_out, PlanModel::used, warnings and notes.
void make_jobs(Plan& plan, const std::vector<PlannedModule>& modules);

}  // namespace merganser
