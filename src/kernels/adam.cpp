#include "kernels/adam.h"

#include <cmath>

#include "kernels/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/adam.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace merganser {
namespace HWY_NAMESPACE {
namespace {

template <class T>
void take_step(const AdamStep<T>& step, const T* gradient, T* m, T* v, T* x, std::size_t n) {
  std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<T> d;
  const auto rate = hn::Set(d, step.rate_over_correction), keep1 = hn::Set(d, step.keep1);
  const auto root = hn::Set(d, step.correction2_root), epsilon = hn::Set(d, step.epsilon);
  const auto keep2 = hn::Set(d, step.keep2), take2 = hn::Set(d, step.take2);
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    const auto g = hn::LoadU(d, gradient + i);
    auto first = hn::LoadU(d, m + i);
    first = hn::Add(first, hn::Mul(keep1, hn::Sub(g, first)));
    const auto second = hn::Add(hn::Mul(hn::LoadU(d, v + i), keep2), hn::Mul(hn::Mul(take2, g), g));
    const auto divisor = hn::Add(hn::Div(hn::Sqrt(second), root), epsilon);
    hn::StoreU(first, d, m + i);
    hn::StoreU(second, d, v + i);
    hn::StoreU(hn::Sub(hn::LoadU(d, x + i), hn::Div(hn::Mul(rate, first), divisor)), d, x + i);
  }
#endif
  if (i < n) reference::adam(step, gradient + i, m + i, v + i, x + i, n - i);
}

void adam32(const AdamStep<float>& step, const float* g, float* m, float* v, float* x,
            std::size_t n) {
  take_step<float>(step, g, m, v, x, n);
}
void adam64(const AdamStep<double>& step, const double* g, double* m, double* v, double* x,
            std::size_t n) {
  take_step<double>(step, g, m, v, x, n);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(adam32);
HWY_EXPORT(adam64);

template <class T>
AdamStep<T> adam_step(std::size_t step, double rate) {
  constexpr double kBeta1 = 0.9, kBeta2 = 0.999;
  const auto power = static_cast<double>(step);
  return {static_cast<T>(rate / (1 - std::pow(kBeta1, power))),
          static_cast<T>(std::sqrt(1 - std::pow(kBeta2, power))),
          static_cast<T>(1 - kBeta1),
          static_cast<T>(kBeta2),
          static_cast<T>(1 - kBeta2),
          static_cast<T>(1e-8)};
}

template <>
void adam(const AdamStep<float>& step, const float* gradient, float* m, float* v, float* x,
          std::size_t n) {
  HWY_DYNAMIC_DISPATCH(adam32)(step, gradient, m, v, x, n);
}
template <>
void adam(const AdamStep<double>& step, const double* gradient, double* m, double* v, double* x,
          std::size_t n) {
  HWY_DYNAMIC_DISPATCH(adam64)(step, gradient, m, v, x, n);
}

template AdamStep<float> adam_step(std::size_t, double);
template AdamStep<double> adam_step(std::size_t, double);

}  // namespace merganser
#endif
