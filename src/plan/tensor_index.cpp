#include "plan/tensor_index.h"

#include <fmt/format.h>

#include "base/error.h"

namespace merganser {

TensorIndex::TensorIndex(const PlanModel& model, const Architecture& reference) {
  for (std::size_t i = 0; i < model.names.size(); ++i) {
    const std::string& name = model.names[i];
    if (name.empty()) continue;
    const auto [known, added] = by_name_.emplace(name, i);
    if (!added) {
      const auto& headers = model.headers();
      throw Error(ErrorKind::mismatch,
                  fmt::format("its tensors '{}' and '{}' both become '{}'",
                              headers[known->second].name, headers[i].name, name))
          .in_file(model.path.string());
    }
    const TensorPlace place = reference.place(name);
    Entries& entries = place.layer ? layers_[{place.module, *place.layer}] : loose_[place.module];
    entries.emplace(place.stem, Entry{i, place});
  }
}

const TensorIndex::Entries& TensorIndex::layer(std::size_t module, std::size_t layer) const {
  const auto it = layers_.find({module, layer});
  return it == layers_.end() ? none_ : it->second;
}

const TensorIndex::Entries& TensorIndex::loose(std::size_t module) const {
  const auto it = loose_.find(module);
  return it == loose_.end() ? none_ : it->second;
}

std::optional<std::size_t> TensorIndex::find(const std::string& name) const {
  const auto it = by_name_.find(name);
  if (it == by_name_.end()) return std::nullopt;
  return it->second;
}

}  // namespace merganser
