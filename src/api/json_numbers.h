// Numbers in the reports' JSON, which has no infinity: null stands for what is not finite or not
// there.
#pragma once

#include <optional>
#include <vector>

#include "base/json.h"

namespace merganser {

Json number(double value);
Json number(const std::optional<double>& value);
Json numbers(const std::vector<double>& values);
Json numbers(const std::vector<std::optional<double>>& values);

}  // namespace merganser
