#include "runtime/batch_norm.h"

namespace merganser::rt {

namespace {
constexpr double kMomentum = 0.1;
}

void BatchNorm::set_mode(Mode mode) const {
  mode_ = mode;
  seen_ = 0;
}

at::Tensor BatchNorm::operator()(const at::Tensor& x) const {
  double momentum = kMomentum;
  if (mode_ == Mode::collect) momentum = 1.0 / static_cast<double>(++seen_);
  return at::batch_norm(x, weight_, bias_, mean_, variance_, mode_ != Mode::fixed, momentum, eps_,
                        false);
}

}  // namespace merganser::rt
