// Weights that are codes, not numbers: averaging them would give noise, so they are refused.
#pragma once

#include <filesystem>
#include <span>

#include "base/json.h"
#include "base/tensor_info.h"
#include "checkpoint/checkpoint.h"

namespace merganser {

// Throws Error(unsupported) naming the method, where the config declares a quantisation.
void refuse_declared_quantisation(const Json& config, const std::filesystem::path& path);

// The same where the tensors' names give it away (scales, packed weights). `tensors` sorted by
// name. f8 tensors alone are plain numbers.
void refuse_quantised_tensors(std::span<const StoredTensor> tensors,
                              const std::filesystem::path& path);

}  // namespace merganser
