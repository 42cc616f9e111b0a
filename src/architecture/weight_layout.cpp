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

}  // namespace merganser
