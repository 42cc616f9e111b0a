// Tensors written as checkpoints store them.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "plan/plan.h"
#include "source/source.h"

namespace merganser::rt {

// One .safetensors file in a folder that is there, synced. Tensors of f16, bf16, f32, f64. Throws
// Error(mismatch) for a value that is not finite.
void write_tensors(const std::filesystem::path& folder, const std::string& file,
                   const std::map<std::string, at::Tensor>& tensors);

// The weights of a trained checkpoint: every tensor of the base, under its name, shape and type,
// with the values in `changed` where it is in there; all else byte for byte as it is stored. A
// second copy of a changed tensor that the model does not read (a tied lm_head.weight) changes with
// it. `read`: the names that the model reads. Throws Error(mismatch) for a value that is not finite
// or overflows the stored type.
void write_weights(const std::filesystem::path& folder, const Source& base,
                   const std::map<std::string, at::Tensor>& changed,
                   const std::set<std::string>& read);

// The bytes of a .safetensors file that holds them.
std::string tensor_file(const std::map<std::string, at::Tensor>& tensors);

}  // namespace merganser::rt
