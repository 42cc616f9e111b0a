// The masks of a task-switched output. Private to this layer, but for the names.
#pragma once

#include "plan/plan.h"

namespace merganser {

// Names the tasks and lays out their mask tensors, after the jobs. Throws Error(unsupported) for
// single files.
void plan_task_masks(Plan& plan);

}  // namespace merganser
