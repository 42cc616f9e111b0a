// That what was read is still what was opened.
#pragma once

#include <string_view>

#include "checkpoint/checkpoint.h"
#include "plan/plan.h"

namespace merganser {

// Throws Error(io) where a file was changed since it was opened: what was made of it is worth
// nothing. `what`: to be done again: "merge".
void check_unchanged(const Checkpoint& checkpoint, std::string_view what);
// Of a model that is no document: with all that is read for its task or adapter.
void check_unchanged(const PlanModel& model, std::string_view what);
// Of every checkpoint that a plan reads.
void check_unchanged(const Plan& plan, std::string_view what);

}  // namespace merganser
