#include "kernels/overlap.h"

#include <cassert>
#include <type_traits>

#include "kernels/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/overlap.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef MERGANSER_OVERLAP_ONCE
#define MERGANSER_OVERLAP_ONCE
namespace merganser {
namespace {

template <class T>
struct OverlapKernels {
  void (*merge)(std::span<T* const>, std::span<const T>, T, T*, std::size_t);
  void (*count)(std::span<T* const>, T, std::span<Overlap>, std::size_t);
};

}  // namespace
}  // namespace merganser
#endif

HWY_BEFORE_NAMESPACE();
namespace merganser {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

template <class T>
void merge_overlapping(std::span<T* const> d, std::span<const T> boost, T epsilon, T* out,
                       std::size_t n) {
  reference::merge_overlapping(d, boost, epsilon, out, n);
}

template <class T>
void count_overlap(std::span<T* const> d, T epsilon, std::span<Overlap> counts, std::size_t n) {
  reference::count_overlap(d, epsilon, counts, n);
}

#else

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
void merge_overlapping(std::span<T* const> models, std::span<const T> boost, T epsilon, T* out,
                       std::size_t n) {
  const hn::ScalableTag<T> d;
  const auto zero = hn::Zero(d), one = hn::Set(d, T{1}), least = hn::Set(d, epsilon);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    auto count = zero, sum = zero, boosted = zero;
    for (std::size_t k = 0; k < models.size(); ++k) {
      const auto change = hn::LoadU(d, models[k] + i);
      const auto part = hn::Gt(hn::Abs(change), least);
      count = hn::Add(count, hn::IfThenElseZero(part, one));
      sum = hn::Add(sum, hn::IfThenElseZero(part, change));
      boosted = hn::IfThenElse(part, hn::Mul(hn::Set(d, boost[k]), change), boosted);
    }
    const auto shared = hn::IfThenElseZero(hn::Gt(count, zero), hn::Div(sum, count));
    hn::StoreU(hn::IfThenElse(hn::Eq(count, one), boosted, shared), d, out + i);
  }
  if (i < n) reference::merge_overlapping(models, boost, epsilon, out, n, i);
}

template <class T>
void count_overlap(std::span<T* const> models, T epsilon, std::span<Overlap> counts,
                   std::size_t n) {
  const hn::ScalableTag<T> d;
  const auto zero = hn::Zero(d), one = hn::Set(d, T{1}), least = hn::Set(d, epsilon);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    auto count = zero;
    for (const T* model : models) {
      const auto part = hn::Gt(hn::Abs(hn::LoadU(d, model + i)), least);
      count = hn::Add(count, hn::IfThenElseZero(part, one));
    }
    const auto alone = hn::Eq(count, one);
    for (std::size_t k = 0; k < models.size(); ++k) {
      const auto part = hn::Gt(hn::Abs(hn::LoadU(d, models[k] + i)), least);
      counts[k].alone += hn::CountTrue(d, hn::And(part, alone));
      counts[k].shared += hn::CountTrue(d, hn::AndNot(alone, part));
    }
  }
  if (i < n) reference::count_overlap(models, epsilon, counts, n, i);
}

#endif

template <class T>
constexpr OverlapKernels<T> kKernels = {merge_overlapping<T>, count_overlap<T>};

const OverlapKernels<float>& OverlapF32() { return kKernels<float>; }
const OverlapKernels<double>& OverlapF64() { return kKernels<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(OverlapF32);
HWY_EXPORT(OverlapF64);

namespace {

template <class T>
const OverlapKernels<T>& kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(OverlapF32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(OverlapF64)();
  }
}

}  // namespace

template <class T>
void merge_overlapping(std::span<T* const> d, std::span<const T> boost, T epsilon, T* out,
                       std::size_t n) {
  assert(boost.size() == d.size());
  kernels<T>().merge(d, boost, epsilon, out, n);
}

template <class T>
void count_overlap(std::span<T* const> d, T epsilon, std::span<Overlap> counts, std::size_t n) {
  assert(counts.size() == d.size());
  kernels<T>().count(d, epsilon, counts, n);
}

template void merge_overlapping(std::span<float* const>, std::span<const float>, float, float*,
                                std::size_t);
template void merge_overlapping(std::span<double* const>, std::span<const double>, double, double*,
                                std::size_t);
template void count_overlap(std::span<float* const>, float, std::span<Overlap>, std::size_t);
template void count_overlap(std::span<double* const>, double, std::span<Overlap>, std::size_t);

}  // namespace merganser
#endif
