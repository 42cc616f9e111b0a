// The two ways to read a checkpoint's structure: by a family's data, or from the names alone.
#pragma once

#include <optional>
#include <span>

#include "architecture/architecture_impl.h"

namespace merganser {

// False where the tensors do not look like the family at all (other prefixes, other names): nothing
// is changed then, and the names decide. Throws Error(mismatch) where config and tensors contradict
// each other, Error(corrupt) for a senseless layer count.
bool resolve_family(const Family& family, const Json* config, std::span<const TensorInfo> tensors,
                    Architecture::Impl& impl);

void resolve_by_names(const Json* config, std::span<const TensorInfo> tensors,
                      Architecture::Impl& impl);

}  // namespace merganser
