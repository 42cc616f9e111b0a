// The merges whose losses are foretold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analyze/expert_loss.h"
#include "analyze/inputs.h"
#include "method/descriptor.h"
#include "method/parameter.h"

namespace merganser {

struct AnalysedMethod {
  std::string name, label;
  bool from_recipe = false;
  std::vector<std::pair<std::string, Value>> parameters;
  // How the merge is made; of a mixture: how that of tensors without experts is, where they do not
  // stay the base's.
  std::optional<Plan> plan;
  // Of a mixture: what its experts carry of all tensors that the plan does not make.
  std::optional<CarriedByName> carried;
};

// The methods that people reach for first, with their usual settings: what any of them makes of
// these models is computed as `merge` would. `find` gives a descriptor by its name.
std::vector<AnalysedMethod> usual_methods(const AnalysisInputs& inputs, std::uint64_t seed,
                                          std::uint64_t expert_rank,
                                          const Descriptor& (*find)(std::string_view));

// One of them with one value for each parameter, all tensors alike; the base is the origin of task
// vectors, and takes no part where a method wants none. Others of its parameters have their
// defaults. Outputs are not rounded to the models' type.
Plan plan_method(const AnalysisInputs& inputs, const Descriptor& method,
                 const std::vector<std::pair<std::string, Value>>& parameters, std::uint64_t seed);

}  // namespace merganser
