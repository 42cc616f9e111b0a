// Which tensors of a merge are those of an earlier one, so that they need not be merged again.
#pragma once

#include <vector>

#include "plan/plan.h"

namespace merganser {

// By job of `now`: `before` has a job of the same name that makes the same bytes, because method,
// action, settings, inputs and seed are the same, also those of the documents that it reads. Jobs
// whose reductions span the model are the same only all together. A file that was changed between
// the two plans makes none the same; so does a mixture.
std::vector<bool> same_jobs(const Plan& before, const Plan& now);

}  // namespace merganser
