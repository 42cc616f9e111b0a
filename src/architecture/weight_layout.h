// How a family's linear weights lie.
#pragma once

#include <string_view>

#include "architecture/architecture.h"

namespace merganser {

// Whether this weight of a linear module is [in, out] (transformers' Conv1D, in GPT-2's layers)
// instead of [out, in]. Only families of families/*.json whose traits say so have such weights.
bool is_input_first(const Architecture& architecture, std::string_view name);

}  // namespace merganser
