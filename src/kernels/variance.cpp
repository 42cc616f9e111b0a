#include "kernels/variance.h"

#include <type_traits>

#include "kernels/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/variance.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef MERGANSER_VARIANCE_ONCE
#define MERGANSER_VARIANCE_ONCE
namespace merganser {
namespace {

template <class T>
using Variance = std::size_t (*)(std::span<T* const>, T*, std::size_t);

}  // namespace
}  // namespace merganser
#endif

HWY_BEFORE_NAMESPACE();
namespace merganser {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

template <class T>
std::size_t variance(std::span<T* const> x, T* out, std::size_t n) {
  return reference::variance(x, out, n);
}

#else

namespace hn = hwy::HWY_NAMESPACE;
using D64 = hn::ScalableTag<double>;
using V64 = hn::Vec<D64>;

HWY_INLINE V64 load(const float* x) {
  return hn::PromoteTo(D64(), hn::LoadU(hn::Rebind<float, D64>(), x));
}
HWY_INLINE V64 load(const double* x) { return hn::LoadU(D64(), x); }

// Returns how many are not zero. (Ne is false for NaN on some machines.)
HWY_INLINE std::size_t store(V64 v, float* out) {
  const hn::Rebind<float, D64> d;
  const auto rounded = hn::DemoteTo(d, v);
  hn::StoreU(rounded, d, out);
  return hn::Lanes(d) - hn::CountTrue(d, hn::Eq(rounded, hn::Zero(d)));
}
HWY_INLINE std::size_t store(V64 v, double* out) {
  hn::StoreU(v, D64(), out);
  return hn::Lanes(D64()) - hn::CountTrue(D64(), hn::Eq(v, hn::Zero(D64())));
}

template <class T>
std::size_t variance(std::span<T* const> x, T* out, std::size_t n) {
  const D64 d;
  const V64 count = hn::Set(d, static_cast<double>(x.size()));
  std::size_t nonzero = 0, i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    const V64 first = load(x[0] + i);
    V64 sum = hn::Zero(d);
    for (std::size_t k = 1; k < x.size(); ++k) {
      sum = hn::Add(sum, hn::Sub(load(x[k] + i), first));
    }
    const V64 mean = hn::Div(sum, count);
    V64 squares = hn::Mul(mean, mean);
    for (std::size_t k = 1; k < x.size(); ++k) {
      const V64 distance = hn::Sub(hn::Sub(load(x[k] + i), first), mean);
      squares = hn::Add(squares, hn::Mul(distance, distance));
    }
    nonzero += store(hn::Div(squares, count), out + i);
  }
  return i < n ? nonzero + reference::variance(x, out, n, i) : nonzero;
}

#endif

template <class T>
constexpr Variance<T> kVariance = variance<T>;

Variance<float> VarianceF32() { return kVariance<float>; }
Variance<double> VarianceF64() { return kVariance<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(VarianceF32);
HWY_EXPORT(VarianceF64);

template <class T>
std::size_t variance(std::span<T* const> x, T* out, std::size_t n) {
  assert(!x.empty());
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(VarianceF32)()(x, out, n);
  } else {
    return HWY_DYNAMIC_DISPATCH(VarianceF64)()(x, out, n);
  }
}

template std::size_t variance(std::span<float* const>, float*, std::size_t);
template std::size_t variance(std::span<double* const>, double*, std::size_t);

}  // namespace merganser
#endif
