// Rotary position embedding (Su et al. 2021) in the half-rotated order of transformers.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "runtime/config.h"

namespace merganser::rt {

class Rotary {
 public:
  // Of a config in either form of transformers': rope_theta with rope_scaling, or rope_parameters.
  // Throws Error(unsupported) for scalings other than default, linear and llama3.
  Rotary(const Config& config, std::int64_t head_dim);

  struct Angles {
    at::Tensor cos, sin;  // [T, head_dim]
  };
  // Of positions begin … begin + count.
  Angles angles(std::int64_t begin, std::int64_t count, const at::TensorOptions& options) const;
  // x [B, heads, T, head_dim]
  static at::Tensor rotate(const at::Tensor& x, const Angles& angles);

 private:
  at::Tensor frequencies_;  // f32 [head_dim / 2]
};

}  // namespace merganser::rt
