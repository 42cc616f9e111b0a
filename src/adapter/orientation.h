// Which linear weights of a base are [in, out].
#pragma once

#include <string>
#include <vector>

#include "adapter/adapter.h"

namespace merganser {

struct LinearShape {
  const AdapterModule* module;
  const Shape* weight;  // the base's: module->shape, or the other way round
  bool* transposed;     // the answer
};

// Shapes decide where they can. A square weight is taken to lie as all others do, or as those of
// the same last name ("c_proj"), since fan_in_fan_out is, in an adapter of a model that mixes both
// kinds, what the last module needed; where there are only square ones, it decides. Throws
// Error(unsupported) where nothing does.
void orient(const std::vector<LinearShape>& modules, bool fan_in_fan_out, const std::string& file);

}  // namespace merganser
