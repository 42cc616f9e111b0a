// Arrays of a .safetensors file as tensors.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "checkpoint/checkpoint.h"

namespace merganser::rt {

// Throws Error(not_found, corrupt), naming the tensor; so do all below.
at::Tensor read_array(const Checkpoint& checkpoint, const std::string& name);
// int64. Throws Error(mismatch) where the array holds floats.
at::Tensor read_integers(const Checkpoint& checkpoint, const std::string& name);
// int64 [N], of a mask [N, T] each of whose rows is a run of ones, then zeros. Throws
// Error(mismatch) for other masks, and for another shape than that.
at::Tensor read_lengths(const Checkpoint& checkpoint, const std::string& name,
                        at::IntArrayRef shape);

}  // namespace merganser::rt
