// A model of the recipe with an adapter on it. Private to this layer.
#pragma once

#include <filesystem>

#include "plan/plan.h"

namespace merganser {

// Opens the adapter at `path`, and puts it between the model's weights and what is merged, with
// model.ref.lora_scale. The model's architecture is resolved again, with what the adapter adds.
// Throws Error for what is no adapter or does not fit the model.
void add_adapter(PlanModel& model, const std::filesystem::path& path);

}  // namespace merganser
