// README.md: the model card. Private to this layer.
#pragma once

#include <string>

#include "plan/plan.h"

namespace merganser {

std::string card_text(const Plan& plan, const std::string& version, const std::string& title);

// A model's name for the hub: "org/name" of the recipe or of the hub's cache, else the last name of
// its path. Never a path of this machine.
std::string public_name(const PlanModel& model);

}  // namespace merganser
