// Stored elements of a plan's inputs in working precision.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "plan/plan.h"

namespace merganser {

// Elements from `first` on. float takes all types but f64.
template <class T>
void read_values(const std::vector<PlanModel>& models, const PlanInput& input, std::uint64_t first,
                 std::span<T> out);

}  // namespace merganser
