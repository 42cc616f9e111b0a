// Where a model lives and in what type it computes.
#pragma once

#include <ATen/ATen.h>

#include <string>

namespace merganser::rt {

struct Placement {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;

  at::TensorOptions options() const { return at::TensorOptions().device(device).dtype(dtype); }
};

// "cpu", "cuda", "cuda:1"; "float32", "bfloat16", "float16", "float64". Throws Error(usage) for
// other names, and for a device that this machine or this libtorch does not have.
Placement parse_placement(const std::string& device, const std::string& dtype);

}  // namespace merganser::rt
