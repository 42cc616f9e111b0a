// A linear layer as checkpoints store it.
#pragma once

#include <utility>

#include "runtime/linear.h"

namespace merganser::rt {

class PlainLinear final : public Linear {
 public:
  // weight [out, in], or [in, out] if transposed; bias [out] or undefined.
  PlainLinear(at::Tensor weight, at::Tensor bias, bool transposed)
      : weight_(std::move(weight)), bias_(std::move(bias)), transposed_(transposed) {}

 protected:
  at::Tensor apply(const at::Tensor& x) const override {
    return at::linear(x, transposed_ ? weight_.t() : weight_, bias_);
  }

 private:
  at::Tensor weight_, bias_;
  bool transposed_;
};

}  // namespace merganser::rt
