#include "architecture/weight_layout.h"

#include <algorithm>

#include "architecture/family_data.h"

namespace merganser {

bool is_input_first(const Architecture& architecture, std::string_view name) {
  if (architecture.inferred()) return false;
  const Family* family = find_family(architecture.family());
  const NamePair trait{"weights", "[in, out]"};
  if (family == nullptr || std::ranges::find(family->traits, trait) == family->traits.end()) {
    return false;
  }
  // Heads on top of the layers are ordinary ones.
  return architecture.place(name).place == Place::layer;
}

std::string module_in_class(const Architecture& architecture, std::string_view module) {
  std::string name(module);
  const std::string& owner = architecture.architecture();
  const bool has_head = !owner.ends_with("Model") || owner.ends_with("LMHeadModel") ||
                        owner.ends_with("DoubleHeadsModel");
  const Family* family = architecture.inferred() ? nullptr : find_family(architecture.family());
  if (owner.empty() || !has_head || family == nullptr || family->modules.size() != 1) return name;
  const ModuleData& data = family->modules.front();
  const std::string& wrapper = data.prefixes.empty() ? name : data.prefixes.front();
  if (wrapper.empty() || !architecture.modules().front().layer_prefix.starts_with(
                             data.layers.empty() ? "" : data.layers.front())) {
    return name;  // the checkpoint has the wrapper, or another one
  }
  for (const RoleTable* table : {&data.embed_root, &data.head_root, &data.other_root}) {
    if (!table->role_of(name + ".weight").empty()) return name;  // stands beside the wrapper
  }
  return wrapper + name;
}

}  // namespace merganser
