// Models that memory cannot hold are refused before they are read: Linux promises more than it has,
// and kills a process without a word once that is used.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/tensor_info.h"
#include "runtime/placement.h"
#include "source/source.h"

namespace merganser::rt {

// Of all tensors of floats in that type; 2^63 at most.
std::uint64_t bytes_of(std::span<const TensorInfo> tensors, at::ScalarType dtype);

// Throws Error(io) where this machine has not so many bytes left: "FILE: not enough memory: WHAT
// 8 GB, 2 GB are free (HINT)". Of other devices, where libtorch fails by itself, nothing is asked.
void need_memory(std::uint64_t bytes, const at::Device& device, const std::string& file,
                 const std::string& what, const std::string& hint);

// The same of a model that is about to be read.
void need_memory(const Source& source, const Placement& placement);

}  // namespace merganser::rt
