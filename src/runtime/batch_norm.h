// Batch normalisation whose running statistics can be collected anew: a merge's activations are not
// those of its inputs, so its statistics have to be recomputed (Jordan et al. 2023, REPAIR).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace merganser::rt {

class BatchNorm {
 public:
  enum class Mode {
    fixed,    // by the running statistics
    train,    // by the batch's, which move the running ones by the momentum
    collect,  // by the batch's; the running ones become the mean over all batches seen
  };

  BatchNorm(at::Tensor weight, at::Tensor bias, at::Tensor mean, at::Tensor variance, double eps)
      : weight_(std::move(weight)),
        bias_(std::move(bias)),
        mean_(std::move(mean)),
        variance_(std::move(variance)),
        eps_(eps) {}

  // x [B, C, ...]
  at::Tensor operator()(const at::Tensor& x) const;
  void set_mode(Mode mode) const;  // `collect` starts anew

 private:
  at::Tensor weight_, bias_, mean_, variance_;
  double eps_;
  mutable Mode mode_ = Mode::fixed;
  mutable std::int64_t seen_ = 0;
};

}  // namespace merganser::rt
