#include "runtime/class_head.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace merganser::rt {

bool built_for(const Config& config, std::string_view suffix) {
  const auto names = config.texts("architectures");
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return name.ends_with(suffix); });
}

std::int64_t classes_of(const Config& config, const Weights& weights, const std::string& name) {
  if (const auto labels = config.find_object("id2label")) {
    return static_cast<std::int64_t>(labels->json().size());
  }
  if (config.find_integer("num_labels")) return config.size("num_labels");
  const auto shape = weights.shape_of(name + ".weight");
  return shape && shape->size() == 2 ? static_cast<std::int64_t>(shape->front()) : 2;
}

at::Tensor last_token(const at::Tensor& x, const at::Tensor& mask) {
  if (!mask.defined()) return x.select(1, x.size(1) - 1);
  const at::Tensor last = mask.sum(1).sub(1).view({-1, 1, 1}).expand({-1, 1, x.size(2)});
  return x.gather(1, last).squeeze(1);
}

}  // namespace merganser::rt
