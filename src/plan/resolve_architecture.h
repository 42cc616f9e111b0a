// The architecture of a checkpoint, with errors that say of which.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "architecture/architecture.h"

namespace merganser {

// Architecture::resolve of what is at `place`. Throws Error(mismatch).
Architecture resolve_architecture(const std::string& place, const Json* config,
                                  std::span<const TensorInfo> tensors,
                                  std::string_view override_name = "");

}  // namespace merganser
