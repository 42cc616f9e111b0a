#include "kernels/approach.h"

#include <type_traits>

#include "kernels/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/approach.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef MERGANSER_APPROACH_ONCE
#define MERGANSER_APPROACH_ONCE
namespace merganser {
namespace {

template <class T>
using Approach = void (*)(const T*, const T*, T, T, T*, std::size_t);

}  // namespace
}  // namespace merganser
#endif

HWY_BEFORE_NAMESPACE();
namespace merganser {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

template <class T>
constexpr Approach<T> kApproach = reference::approach<T>;

#else

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
void approach(const T* from, const T* to, T step, T least, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  const auto one = hn::Set(d, T{1}), vstep = hn::Set(d, step), vleast = hn::Set(d, least);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    const auto a = hn::LoadU(d, from + i), x = hn::LoadU(d, to + i);
    const auto distance = hn::Abs(hn::Sub(a, x));
    // Selected by comparison: what Max does with NaN depends on the machine.
    const auto divisor = hn::IfThenElse(hn::Gt(distance, vleast), distance, vleast);
    const auto quotient = hn::Div(vstep, divisor);
    const auto share = hn::IfThenElse(hn::Lt(quotient, one), quotient, one);
    hn::StoreU(hn::Add(hn::Mul(share, x), hn::Mul(hn::Sub(one, share), a)), d, out + i);
  }
  if (i < n) reference::approach(from + i, to + i, step, least, out + i, n - i);
}

template <class T>
constexpr Approach<T> kApproach = approach<T>;

#endif

Approach<float> ApproachF32() { return kApproach<float>; }
Approach<double> ApproachF64() { return kApproach<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(ApproachF32);
HWY_EXPORT(ApproachF64);

template <class T>
void approach(const T* from, const T* to, T step, T least, T* out, std::size_t n) {
  if constexpr (std::is_same_v<T, float>) {
    HWY_DYNAMIC_DISPATCH(ApproachF32)()(from, to, step, least, out, n);
  } else {
    HWY_DYNAMIC_DISPATCH(ApproachF64)()(from, to, step, least, out, n);
  }
}

template void approach(const float*, const float*, float, float, float*, std::size_t);
template void approach(const double*, const double*, double, double, double*, std::size_t);

}  // namespace merganser
#endif
