// A plan of `smile`, whose jobs are the base's tensors, as the plan of the mixture.
#pragma once

#include <vector>

#include "plan/plan.h"
#include "smile/experts.h"
#include "smile/layout.h"
#include "smile/made_source.h"
#include "smile/module.h"

namespace merganser {

// Base tensors of the modules are copied, the others treated by `rest`, the experts' tensors added
// (Action::make, Plan::made not yet set). Needs no data.
Plan expand(const Plan& plan, const SmileModules& modules);

// What the jobs of an expanded plan are read from; its order is theirs.
std::vector<MadeTensor> made_content(const Plan& expanded, const Plan& plan,
                                     const SmileModules& modules, const Experts& experts);

// What the decomposition tells of each job of an expanded plan.
std::vector<std::vector<Fact>> expert_facts(const Plan& expanded, const SmileModules& modules,
                                            const Experts& experts);

}  // namespace merganser
