// One parameter that a search varies, and the values that it may take.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/edit.h"

namespace merganser::rt {

struct Axis {
  RecipePath path;
  std::vector<std::string> values;                // in order; empty for an interval
  std::optional<std::array<double, 2>> interval;  // for golden section search
};

// "parameters.lambda=0.1:1.0:0.1" (from, to and step), "models[*].parameters.density=0.3,0.5",
// "parameters.lambda=[0.2, 1.5]" (an interval). Throws Error(usage).
Axis parse_axis(std::string_view text);

// The shortest text of a number to 6 digits: what is tried is what is written.
std::string number_text(double value);

}  // namespace merganser::rt
