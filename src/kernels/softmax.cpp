#include "kernels/softmax.h"

#include <limits>
#include <type_traits>

#include "kernels/exp_log.h"
#include "kernels/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef MERGANSER_SOFTMAX_ONCE
#define MERGANSER_SOFTMAX_ONCE
namespace merganser {
namespace {

template <class T>
using Divergence = double (*)(const T*, const T*, std::size_t, double);

}  // namespace
}  // namespace merganser
#endif

HWY_BEFORE_NAMESPACE();
namespace merganser {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

template <class T>
constexpr Divergence<T> kDivergence = reference::softmax_divergence<T>;

#else

namespace hn = hwy::HWY_NAMESPACE;
using reference::kSumLanes;

// The 16 virtual lanes are this many vectors.
using D64 = hn::CappedTag<double, kSumLanes>;
using DU = hn::RebindToUnsigned<D64>;
using V64 = hn::Vec<D64>;
constexpr std::size_t kLanes = hn::MaxLanes(D64());
constexpr std::size_t kVectors = kSumLanes / kLanes;

HWY_INLINE V64 set(double x) { return hn::Set(D64(), x); }
HWY_INLINE V64 load(const float* x) {
  return hn::PromoteTo(D64(), hn::LoadU(hn::Rebind<float, D64>(), x));
}
HWY_INLINE V64 load(const double* x) { return hn::LoadU(D64(), x); }

template <std::size_t kTerms>
HWY_INLINE V64 polynomial(const double (&c)[kTerms], V64 x) {
  V64 sum = set(c[0]);
  for (std::size_t i = 1; i < kTerms; ++i) sum = hn::Add(hn::Mul(sum, x), set(c[i]));
  return sum;
}

HWY_INLINE V64 exp(V64 x) {
  const DU du;
  const V64 lowest = set(exp_log::kLowest), rounder = set(exp_log::kRounder);
  x = hn::IfThenElse(hn::Lt(x, lowest), lowest, x);
  const V64 shifted = hn::Add(hn::Mul(x, set(exp_log::kLog2E)), rounder);
  const V64 k = hn::Sub(shifted, rounder);
  const V64 r =
      hn::Sub(hn::Sub(x, hn::Mul(k, set(exp_log::kLn2High))), hn::Mul(k, set(exp_log::kLn2Low)));
  const auto exponent =
      hn::ShiftLeft<52>(hn::Add(hn::BitCast(du, shifted), hn::Set(du, std::uint64_t{1023})));
  return hn::Mul(polynomial(exp_log::kExp, r), hn::BitCast(D64(), exponent));
}

HWY_INLINE V64 log(V64 x) {
  const DU du;
  const auto bits = hn::BitCast(du, x);
  const auto scaled = hn::Sub(bits, hn::Set(du, exp_log::kRootHalf));
  const V64 mantissa =
      hn::BitCast(D64(), hn::Sub(bits, hn::And(scaled, hn::Set(du, exp_log::kExponent))));
  const auto exponent = hn::ShiftRight<52>(hn::Add(scaled, hn::Set(du, exp_log::kExponentBias)));
  const V64 k = hn::Sub(hn::BitCast(D64(), hn::Or(hn::BitCast(du, set(exp_log::kTwo52)), exponent)),
                        set(exp_log::kTwo52 + 1024));
  const V64 f = hn::Sub(mantissa, set(1)), s = hn::Div(f, hn::Add(f, set(2)));
  const V64 sum = polynomial(exp_log::kAtanh, hn::Mul(s, s));
  return hn::Add(hn::Mul(k, set(exp_log::kLn2High)),
                 hn::Add(hn::Mul(hn::Mul(set(2), s), sum), hn::Mul(k, set(exp_log::kLn2Low))));
}

template <class T>
double largest(const T* x, std::size_t n) {
  V64 most = set(-std::numeric_limits<double>::infinity());
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const V64 v = load(x + i);
    most = hn::IfThenElse(hn::Gt(v, most), v, most);  // NaN compares false
  }
  double lanes[kLanes], result = -std::numeric_limits<double>::infinity();
  hn::StoreU(most, D64(), lanes);
  for (const double v : lanes) result = v > result ? v : result;
  for (; i < n; ++i) result = x[i] > result ? x[i] : result;
  return result;
}

template <class T>
double sum_of_exp(const T* x, std::size_t n, double most) {
  V64 sums[kVectors];
  for (V64& sum : sums) sum = hn::Zero(D64());
  const V64 vmost = set(most);
  std::size_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      sums[v] = hn::Add(sums[v], exp(hn::Sub(load(x + i + v * kLanes), vmost)));
    }
  }
  double lanes[kSumLanes];
  for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sums[v], D64(), lanes + v * kLanes);
  for (std::size_t lane = 0; i < n; ++i) {
    lanes[lane++] += exp_log::exp(static_cast<double>(x[i]) - most);
  }
  return reference::fold(lanes);
}

template <class T>
double softmax_divergence(const T* x, const T* y, std::size_t n, double least) {
  if (n == 0) return 0;
  const double most_x = largest(x, n), most_y = largest(y, n);
  const double sum_x = sum_of_exp(x, n, most_x), sum_y = sum_of_exp(y, n, most_y);
  if (!(sum_x > 0 && sum_y > 0)) return std::numeric_limits<double>::quiet_NaN();
  const double share_x = 1 / sum_x, share_y = 1 / sum_y;
  V64 sums[kVectors];
  for (V64& sum : sums) sum = hn::Zero(D64());
  std::size_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const std::size_t at = i + v * kLanes;
      const V64 p =
          hn::Add(hn::Mul(exp(hn::Sub(load(x + at), set(most_x))), set(share_x)), set(least));
      const V64 q =
          hn::Add(hn::Mul(exp(hn::Sub(load(y + at), set(most_y))), set(share_y)), set(least));
      sums[v] = hn::Add(sums[v], hn::Mul(p, log(hn::Div(p, q))));
    }
  }
  double lanes[kSumLanes];
  for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sums[v], D64(), lanes + v * kLanes);
  for (std::size_t lane = 0; i < n; ++i) {
    lanes[lane++] +=
        reference::divergence_term(x[i] - most_x, share_x, y[i] - most_y, share_y, least);
  }
  return reference::fold(lanes);
}

template <class T>
constexpr Divergence<T> kDivergence = softmax_divergence<T>;

#endif

Divergence<float> DivergenceF32() { return kDivergence<float>; }
Divergence<double> DivergenceF64() { return kDivergence<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(DivergenceF32);
HWY_EXPORT(DivergenceF64);

template <class T>
double softmax_divergence(const T* x, const T* y, std::size_t n, double least) {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(DivergenceF32)()(x, y, n, least);
  } else {
    return HWY_DYNAMIC_DISPATCH(DivergenceF64)()(x, y, n, least);
  }
}

template double softmax_divergence(const float*, const float*, std::size_t, double);
template double softmax_divergence(const double*, const double*, std::size_t, double);

}  // namespace merganser
#endif
