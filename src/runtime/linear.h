// y = W x + b, and what may stand in its place: with a LoRA adapter beside it, or as a mixture of
// experts (smile_linear.h).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <string>

namespace merganser::rt {

// scale B A x beside a layer (Hu et al. 2021): A [rank, in], B [out, rank].
struct LowRank {
  at::Tensor a, b;
  double scale = 1;
};

class Linear {
 public:
  virtual ~Linear() = default;
  // x [..., in] -> [..., out]
  at::Tensor operator()(const at::Tensor& x) const {
    at::Tensor y = apply(x);
    if (adapter) y = y + at::linear(at::linear(x, adapter->a), adapter->b) * adapter->scale;
    return y;
  }

  std::string name;  // of the module: "model.layers.0.self_attn.q_proj"
  std::int64_t in = 0, out = 0;
  std::optional<LowRank> adapter;

 protected:
  virtual at::Tensor apply(const at::Tensor& x) const = 0;
};

}  // namespace merganser::rt
