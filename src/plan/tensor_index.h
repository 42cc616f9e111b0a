// Every model's tensors by the place they have in the reference architecture.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plan/plan.h"

namespace merganser {

class TensorIndex {
 public:
  struct Entry {
    std::size_t tensor = 0;  // index in the model's headers
    TensorPlace place;
  };
  using Entries = std::map<std::string, Entry>;  // by stem: the name with "{}" for the layer

  // Throws Error(mismatch) where two tensors of a model come to the same name.
  TensorIndex(const PlanModel& model, const Architecture& reference);

  const Entries& layer(std::size_t module, std::size_t layer) const;
  const Entries& loose(std::size_t module) const;  // outside the layers
  std::optional<std::size_t> find(const std::string& name) const;

 private:
  std::map<std::pair<std::size_t, std::size_t>, Entries> layers_;
  std::map<std::size_t, Entries> loose_;
  std::map<std::string, std::size_t> by_name_;
  Entries none_;
};

}  // namespace merganser
