// One module of an adapter, put together from its tensors and held against the config.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "adapter/adapter.h"
#include "adapter/names.h"

namespace merganser {

// Indices of a module's tensors in the adapter's file.
struct ModuleParts {
  std::optional<std::size_t> a, b, embedding_a, embedding_b, magnitude, bias;

  // False if there is one already. Not for whole tensors.
  bool add(AdapterName::Part part, std::size_t index);
};

// Throws Error: corrupt (a factor missing, shapes that are no factors), mismatch (a rank other than
// the config's, factors that do not fit each other, parts that the config does not speak of).
AdapterModule make_module(const std::string& name, const ModuleParts& parts,
                          const Checkpoint& weights, const AdapterConfig& config);

// Every module is compared with every pattern; a file can ask for too much of that. Throws
// Error(unsupported).
void refuse_endless_matching(const AdapterConfig& config, std::size_t modules,
                             const std::string& config_path);

}  // namespace merganser
