#include "plan/resolve_architecture.h"

#include "base/error.h"

namespace merganser {

Architecture resolve_architecture(const std::string& place, const Json* config,
                                  std::span<const TensorInfo> tensors,
                                  std::string_view override_name) {
  try {
    return Architecture::resolve(config, tensors, override_name);
  } catch (Error& error) {
    if (error.file().empty()) error.in_file(place);
    throw;
  }
}

}  // namespace merganser
