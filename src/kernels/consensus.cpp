#include "kernels/consensus.h"

#include <type_traits>

#include "kernels/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/consensus.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef MERGANSER_CONSENSUS_ONCE
#define MERGANSER_CONSENSUS_ONCE
namespace merganser {
namespace {

template <class T>
struct ConsensusKernels {
  void (*consensus)(std::span<T* const>, std::span<const T>, ConsensusRule, bool, T*, std::size_t);
  void (*weighted_consensus)(std::span<T* const>, std::span<const T>, T, T*, std::size_t);
  void (*count_signs)(std::span<T* const>, bool, SignCounts&, std::size_t);
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
void consensus(std::span<T* const> d, std::span<const T> w, ConsensusRule rule, bool mean, T* out,
               std::size_t n) {
  reference::consensus(d, w, rule, mean, out, n);
}

template <class T>
void weighted_consensus(std::span<T* const> d, std::span<const T> w, T least, T* out,
                        std::size_t n) {
  reference::weighted_consensus(d, w, least, out, n);
}

template <class T>
void count_signs(std::span<T* const> d, bool by_count, SignCounts& counts, std::size_t n) {
  reference::count_signs(d, by_count, counts, n);
}

#else

namespace hn = hwy::HWY_NAMESPACE;

// One model's part in the vote: its delta, or +1, 0, -1.
template <bool kByCount, class D, class V = hn::Vec<D> >
HWY_INLINE V ballot(D d, V delta) {
  if constexpr (!kByCount) return delta;
  const V zero = hn::Zero(d), one = hn::Set(d, hn::TFromD<D>{1});
  return hn::Sub(hn::IfThenElseZero(hn::Gt(delta, zero), one),
                 hn::IfThenElseZero(hn::Lt(delta, zero), one));
}

// kModels 0: any number of them.
template <std::size_t kModels, bool kByCount, bool kMean, class T>
std::size_t elect(std::span<T* const> models, std::span<const T> w, bool positive_on_zero, T* out,
                  std::size_t n) {
  const hn::ScalableTag<T> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  using V = hn::Vec<decltype(d)>;
  constexpr std::size_t kKnown = kModels == 0 ? 1 : kModels;
  const std::size_t count = kModels == 0 ? models.size() : kModels;
  const T* pointers[kKnown];
  V weights[kKnown];
  if constexpr (kModels != 0) {
    for (std::size_t k = 0; k < kModels; ++k) {
      pointers[k] = models[k];
      weights[k] = kMean ? hn::Set(d, w[k]) : hn::Zero(d);
    }
  }
  const auto input = [&](std::size_t k) { return kModels == 0 ? models[k] : pointers[k]; };
  const auto weight = [&](std::size_t k)
                          HWY_ATTR { return kModels == 0 ? hn::Set(d, w[k]) : weights[k]; };

  const V zero = hn::Zero(d), one = hn::Set(d, T{1});
  const auto sign_bit = hn::SignBit(d);
  const auto positive_zero = hn::RebindMask(
      d,
      hn::Ne(hn::Set(du, static_cast<hn::TFromD<decltype(du)> >(positive_on_zero)), hn::Zero(du)));
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    V deltas[kKnown];
    V votes = zero;
    for (std::size_t k = 0; k < count; ++k) {
      const V delta = hn::LoadU(d, input(k) + i);
      if constexpr (kModels != 0) deltas[k] = delta;
      votes = hn::Add(votes, ballot<kByCount>(d, delta));
    }
    const auto positive = hn::Or(hn::Gt(votes, zero), hn::And(hn::Eq(votes, zero), positive_zero));
    // With its sign turned where the majority is negative, a delta agrees if it is above zero.
    const V turn = hn::IfThenZeroElse(positive, sign_bit);
    V sum = zero, total = zero;
    for (std::size_t k = 0; k < count; ++k) {
      V delta;
      if constexpr (kModels != 0) {
        delta = deltas[k];
      } else {
        delta = hn::LoadU(d, input(k) + i);
      }
      const auto agrees = hn::Gt(hn::Xor(delta, turn), zero);
      sum = hn::Add(sum, hn::IfThenElseZero(agrees, delta));
      if constexpr (kMean) total = hn::Add(total, hn::IfThenElseZero(agrees, weight(k)));
    }
    if constexpr (kMean) {
      sum = hn::Div(sum, hn::IfThenElse(hn::Eq(total, zero), one, total));
    }
    hn::StoreU(sum, d, out + i);
  }
  return i;
}

template <bool kByCount, bool kMean, class T>
std::size_t elect_any(std::span<T* const> d, std::span<const T> w, bool positive_on_zero, T* out,
                      std::size_t n) {
  switch (d.size()) {
    case 2:
      return elect<2, kByCount, kMean>(d, w, positive_on_zero, out, n);
    case 3:
      return elect<3, kByCount, kMean>(d, w, positive_on_zero, out, n);
    case 4:
      return elect<4, kByCount, kMean>(d, w, positive_on_zero, out, n);
    default:
      return elect<0, kByCount, kMean>(d, w, positive_on_zero, out, n);
  }
}

template <class T>
void consensus(std::span<T* const> d, std::span<const T> w, ConsensusRule rule, bool mean, T* out,
               std::size_t n) {
  const auto run = rule.by_count ? (mean ? elect_any<true, true, T> : elect_any<true, false, T>)
                                 : (mean ? elect_any<false, true, T> : elect_any<false, false, T>);
  const std::size_t done = run(d, w, rule.positive_on_zero, out, n);
  if (done < n) reference::consensus(d, w, rule, mean, out, n, done);
}

template <class T>
void weighted_consensus(std::span<T* const> models, std::span<const T> w, T least, T* out,
                        std::size_t n) {
  const hn::ScalableTag<T> d;
  const auto zero = hn::Zero(d), vleast = hn::Set(d, least);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    auto votes = zero;
    for (const T* model : models) votes = hn::Add(votes, hn::LoadU(d, model + i));
    const auto turn = hn::IfThenZeroElse(hn::Ge(votes, zero), hn::SignBit(d));
    auto sum = zero, total = zero;
    for (std::size_t k = 0; k < models.size(); ++k) {
      const auto delta = hn::LoadU(d, models[k] + i), weight = hn::Set(d, w[k]);
      const auto agrees = hn::Gt(hn::Xor(delta, turn), zero);
      sum = hn::Add(sum, hn::IfThenElseZero(agrees, hn::Mul(weight, delta)));
      total = hn::Add(total, hn::IfThenElseZero(agrees, weight));
    }
    const auto divisor = hn::IfThenElse(hn::Gt(total, vleast), total, vleast);
    hn::StoreU(hn::Div(sum, divisor), d, out + i);
  }
  if (i < n) reference::weighted_consensus(models, w, least, out, n, i);
}

template <bool kByCount, class T>
std::size_t count_votes(std::span<T* const> models, SignCounts& counts, std::size_t n) {
  const hn::ScalableTag<T> d;
  const auto zero = hn::Zero(d);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    auto votes = zero;
    for (const T* model : models) {
      votes = hn::Add(votes, ballot<kByCount>(d, hn::LoadU(d, model + i)));
    }
    counts.positive += hn::CountTrue(d, hn::Gt(votes, zero));
    counts.negative += hn::CountTrue(d, hn::Lt(votes, zero));
  }
  return i;
}

template <class T>
void count_signs(std::span<T* const> d, bool by_count, SignCounts& counts, std::size_t n) {
  const std::size_t done =
      by_count ? count_votes<true>(d, counts, n) : count_votes<false>(d, counts, n);
  if (done < n) reference::count_signs(d, by_count, counts, n, done);
}

#endif

template <class T>
constexpr ConsensusKernels<T> kKernels = {consensus<T>, weighted_consensus<T>, count_signs<T>};

const ConsensusKernels<float>& ConsensusF32() { return kKernels<float>; }
const ConsensusKernels<double>& ConsensusF64() { return kKernels<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(ConsensusF32);
HWY_EXPORT(ConsensusF64);

namespace {

template <class T>
const ConsensusKernels<T>& kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(ConsensusF32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(ConsensusF64)();
  }
}

}  // namespace

template <class T>
void consensus(std::span<T* const> d, std::span<const T> w, ConsensusRule rule, bool mean, T* out,
               std::size_t n) {
  assert(!mean || w.size() == d.size());
  kernels<T>().consensus(d, w, rule, mean, out, n);
}

template <class T>
void weighted_consensus(std::span<T* const> d, std::span<const T> w, T least, T* out,
                        std::size_t n) {
  assert(w.size() == d.size() && least > 0);
  kernels<T>().weighted_consensus(d, w, least, out, n);
}

template <class T>
void count_signs(std::span<T* const> d, bool by_count, SignCounts& counts, std::size_t n) {
  kernels<T>().count_signs(d, by_count, counts, n);
}

template void consensus(std::span<float* const>, std::span<const float>, ConsensusRule, bool,
                        float*, std::size_t);
template void consensus(std::span<double* const>, std::span<const double>, ConsensusRule, bool,
                        double*, std::size_t);
template void weighted_consensus(std::span<float* const>, std::span<const float>, float, float*,
                                 std::size_t);
template void weighted_consensus(std::span<double* const>, std::span<const double>, double, double*,
                                 std::size_t);
template void count_signs(std::span<float* const>, bool, SignCounts&, std::size_t);
template void count_signs(std::span<double* const>, bool, SignCounts&, std::size_t);

}  // namespace merganser
#endif
