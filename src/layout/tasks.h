// task_masks.json: the tasks of a task-switched output. Private to this layer.
#pragma once

#include <string>

#include "layout/output_folder.h"

namespace merganser {

// Each task's name, model and scale: the sum of the facts kTaskMass over all tensors divided by
// that of kUnifiedMass, or 1.
std::string task_text(const Plan& plan, const ProvenanceFacts& facts);

}  // namespace merganser
