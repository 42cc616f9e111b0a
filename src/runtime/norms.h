// Normalisations over a row's last dimension.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "runtime/weights.h"

namespace merganser::rt {

// x / sqrt(mean(x^2) + eps) * weight (Zhang and Sennrich 2019).
class RmsNorm {
 public:
  RmsNorm(Weights& weights, const std::string& name, std::int64_t width, double eps)
      : weight_(weights.tensor(name + ".weight", {width}, Init::ones())), eps_(eps) {}

  at::Tensor operator()(const at::Tensor& x) const {
    return at::rms_norm(x, weight_.sizes(), weight_, eps_);
  }

 private:
  at::Tensor weight_;
  double eps_;
};

// (x - mean) / sqrt(variance + eps) * weight + bias (Ba et al. 2016).
class LayerNorm {
 public:
  LayerNorm(Weights& weights, const std::string& name, std::int64_t width, double eps)
      : weight_(weights.tensor(name + ".weight", {width}, Init::ones())),
        bias_(weights.tensor(name + ".bias", {width}, Init::zeros())),
        eps_(eps) {}

  at::Tensor operator()(const at::Tensor& x) const {
    return at::layer_norm(x, weight_.sizes(), weight_, bias_, eps_);
  }

 private:
  at::Tensor weight_, bias_;
  double eps_;
};

}  // namespace merganser::rt
