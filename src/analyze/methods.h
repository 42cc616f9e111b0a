// The merges whose losses are foretold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analyze/inputs.h"
#include "method/descriptor.h"
#include "method/parameter.h"

namespace merganser {

struct AnalysedMethod {
  std::string name, label;
  bool from_recipe = false;
  std::vector<std::pair<std::string, Value>> parameters;
  // How the merge is made; none: the loss follows from the spectra, by an expert of this rank.
  std::optional<Plan> plan;
  std::map<std::string, std::uint64_t> expert_ranks;  // by tensor, where they differ
  std::uint64_t expert_rank = 0;
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
