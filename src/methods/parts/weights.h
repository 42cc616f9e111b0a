// What methods share that weigh their models, divided by the sum of the weights if a flag says so.
#pragma once

#include <string_view>
#include <vector>

#include "method/descriptor.h"

namespace merganser::methods {

// The weights, divided by their sum where `flag` is set.
std::vector<double> weights_of(const Settings& settings, std::string_view flag);

// Models of weight 0 are not read; the only one left is copied where its weight comes to 1. Throws
// Error(recipe) where there is no sum to divide by.
Outline weighted_outline(std::string_view method, const Settings& settings, std::string_view flag,
                         unsigned sweeps);

}  // namespace merganser::methods
