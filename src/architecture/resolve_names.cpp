#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "architecture/config_path.h"
#include "architecture/infer.h"
#include "architecture/resolve.h"

namespace merganser {
namespace {

// With no family to say which, only the obvious pair is taken: one embedding, one head.
void tie_by_names(const Json& config, Architecture::Impl& impl) {
  const Json* tied = find_path(config, "tie_word_embeddings");
  if (tied == nullptr) tied = find_path(config, "text_config.tie_word_embeddings");
  if (tied == nullptr || !tied->is_boolean() || !tied->get<bool>()) return;
  std::vector<std::string> embeddings, heads;
  for (const std::string& name : impl.vocabulary) {
    const Place place = impl.place(name).place;
    if (place == Place::embed) embeddings.push_back(name);
    if (place == Place::head && name.ends_with("weight")) heads.push_back(name);
  }
  if (embeddings.size() == 1 && heads.size() == 1) impl.tied.push_back({heads[0], embeddings[0]});
}

}  // namespace

void resolve_by_names(const Json* config, std::span<const TensorInfo> tensors,
                      Architecture::Impl& impl) {
  impl.family_name = "inferred";
  const std::vector<LayerStack> stacks = infer_stacks(tensors);
  for (const LayerStack& stack : stacks) {
    ModuleState module;
    module.info.name = stacks.size() == 1 ? "default" : stack.prefix;
    module.info.layer_prefix = stack.prefix + ".{}.";
    module.info.layers = stack.layers;
    module.forms = {module.info.layer_prefix};
    if (config != nullptr) {
      module.info.layers_key = infer_count_key(*config, stack.prefix, stack.layers);
    }
    impl.modules.push_back(std::move(module));
  }
  // One field that fits two stacks counts neither for certain.
  std::vector<std::string> keys;
  for (const ModuleState& module : impl.modules) keys.push_back(module.info.layers_key);
  for (ModuleState& module : impl.modules) {
    if (std::count(keys.begin(), keys.end(), module.info.layers_key) > 1) {
      module.info.layers_key.clear();
    }
  }
  // What stands outside several stacks belongs to none of them (MergeKit's module "default").
  if (impl.modules.size() != 1) {
    const bool loose = std::any_of(tensors.begin(), tensors.end(), [&](const TensorInfo& tensor) {
      return impl.place(tensor.name).place != Place::layer;
    });
    if (impl.modules.empty() || loose) {
      impl.loose_module = impl.modules.size();
      impl.modules.emplace_back().info.name = "default";
    }
  }
  for (const TensorInfo& tensor : tensors) {
    const TensorPlace place = impl.place(tensor.name);
    if (place.place == Place::layer) impl.modules[place.module].unknown.insert(place.stem);
  }
  impl.vocabulary = infer_vocabulary(config, tensors, stacks);
  if (config != nullptr) tie_by_names(*config, impl);
}

}  // namespace merganser
