#include "kernels/reduce.h"

#include <type_traits>

#include "kernels/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduce.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef MERGANSER_REDUCE_ONCE
#define MERGANSER_REDUCE_ONCE
namespace merganser {
namespace {

template <class T>
struct ReduceKernels {
  double (*sum_abs)(const T*, std::size_t);
  MaskedSum (*masked_sum_abs)(const T*, std::size_t, const std::uint8_t*);
  double (*dot)(const T*, const T*, std::size_t);
  std::size_t (*count_nonfinite)(const T*, std::size_t);
  Difference (*difference)(const T*, const T*, std::size_t);
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
constexpr ReduceKernels<T> kKernels = {reference::sum_abs<T>, reference::sum_abs<T>,
                                       reference::dot<T>, reference::count_nonfinite<T>,
                                       reference::difference<T>};

#else

namespace hn = hwy::HWY_NAMESPACE;
using reference::kSumLanes;

// The 16 virtual lanes are this many vectors.
using D64 = hn::CappedTag<double, kSumLanes>;
using V64 = hn::Vec<D64>;
constexpr std::size_t kLanes = hn::MaxLanes(D64());
constexpr std::size_t kVectors = kSumLanes / kLanes;

V64 load(const float* x) { return hn::PromoteTo(D64(), hn::LoadU(hn::Rebind<float, D64>(), x)); }
V64 load(const double* x) { return hn::LoadU(D64(), x); }

class Sum {
 public:
  Sum() {
    for (V64& v : vectors_) v = hn::Zero(D64());
  }
  void add(std::size_t vector, V64 x) { vectors_[vector] = hn::Add(vectors_[vector], x); }
  void store(double (&lanes)[kSumLanes]) const {
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(vectors_[v], D64(), lanes + v * kLanes);
    }
  }

 private:
  V64 vectors_[kVectors];
};

template <class T>
double sum_abs(const T* x, std::size_t n) {
  Sum sum;
  std::size_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes) {
    for (std::size_t v = 0; v < kVectors; ++v) sum.add(v, hn::Abs(load(x + i + v * kLanes)));
  }
  double lanes[kSumLanes];
  sum.store(lanes);
  for (std::size_t lane = 0; i < n; ++i) lanes[lane++] += std::abs(static_cast<double>(x[i]));
  return reference::fold(lanes);
}

// Lanes of a vector, from the mask's bit `at` on.
HWY_INLINE auto load_mask(const std::uint8_t* bits, std::size_t at) {
  if constexpr (kLanes < 8) {  // a part of a byte
    const std::uint8_t part[8] = {static_cast<std::uint8_t>(bits[at / 8] >> (at % 8))};
    return hn::LoadMaskBits(D64(), part);
  } else {
    return hn::LoadMaskBits(D64(), bits + at / 8);
  }
}

template <class T>
MaskedSum masked_sum_abs(const T* x, std::size_t n, const std::uint8_t* bits) {
  Sum whole, kept;
  std::size_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const std::size_t at = i + v * kLanes;
      const V64 size = hn::Abs(load(x + at));
      whole.add(v, size);
      kept.add(v, hn::IfThenElseZero(load_mask(bits, at), size));
    }
  }
  double lanes[2][kSumLanes];
  whole.store(lanes[0]);
  kept.store(lanes[1]);
  for (std::size_t lane = 0; i < n; ++i, ++lane) {
    const double size = std::abs(static_cast<double>(x[i]));
    lanes[0][lane] += size;
    if ((bits[i / 8] >> (i % 8) & 1) != 0) lanes[1][lane] += size;
  }
  return {reference::fold(lanes[0]), reference::fold(lanes[1])};
}

template <class T>
double dot(const T* x, const T* y, std::size_t n) {
  Sum sum;
  std::size_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const std::size_t at = i + v * kLanes;
      sum.add(v, hn::Mul(load(x + at), load(y + at)));
    }
  }
  double lanes[kSumLanes];
  sum.store(lanes);
  for (std::size_t lane = 0; i < n; ++i) {
    lanes[lane++] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  }
  return reference::fold(lanes);
}

// Nearly always there are none: the largest magnitude tells, and only then they are counted.
template <class T>
std::size_t count_nonfinite(const T* x, std::size_t n) {
  const hn::ScalableTag<T> d;
  const hn::RebindToSigned<decltype(d)> di;
  using Bits = hn::TFromD<decltype(di)>;
  const std::size_t lanes = hn::Lanes(d);
  const auto magnitude = hn::Set(di, static_cast<Bits>(~(Bits{1} << (8 * sizeof(T) - 1))));
  const auto infinity = hn::BitCast(
      di, hn::Set(d, std::bit_cast<T>(
                         static_cast<Bits>(sizeof(T) == 4 ? 0x7F800000 : 0x7FF0000000000000))));
  auto largest0 = hn::Zero(di), largest1 = largest0;
  std::size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto a = hn::And(hn::BitCast(di, hn::LoadU(d, x + i)), magnitude);
    const auto b = hn::And(hn::BitCast(di, hn::LoadU(d, x + i + lanes)), magnitude);
    largest0 = hn::Max(largest0, a);
    largest1 = hn::Max(largest1, b);
  }
  const auto finite = hn::Lt(hn::Max(largest0, largest1), infinity);
  return hn::AllTrue(di, finite) ? reference::count_nonfinite(x + i, n - i)
                                 : reference::count_nonfinite(x, n);
}

template <class T>
Difference difference(const T* a, const T* b, std::size_t n) {
  Sum ab, aa, bb, dd;
  V64 largest = hn::Zero(D64());
  std::size_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const V64 x = load(a + i + v * kLanes), y = load(b + i + v * kLanes), d = hn::Sub(x, y);
      ab.add(v, hn::Mul(x, y));
      aa.add(v, hn::Mul(x, x));
      bb.add(v, hn::Mul(y, y));
      dd.add(v, hn::Mul(d, d));
      const V64 abs = hn::Abs(d);
      largest = hn::IfThenElse(hn::Gt(abs, largest), abs, largest);  // NaN compares false
    }
  }
  double lanes[4][kSumLanes], max_lanes[kLanes];
  ab.store(lanes[0]);
  aa.store(lanes[1]);
  bb.store(lanes[2]);
  dd.store(lanes[3]);
  hn::StoreU(largest, D64(), max_lanes);
  double max_abs = 0;
  for (const double x : max_lanes) max_abs = x > max_abs ? x : max_abs;
  for (std::size_t lane = 0; i < n; ++i, ++lane) {
    const double x = a[i], y = b[i], d = x - y;
    lanes[0][lane] += x * y;
    lanes[1][lane] += x * x;
    lanes[2][lane] += y * y;
    lanes[3][lane] += d * d;
    if (std::abs(d) > max_abs) max_abs = std::abs(d);
  }
  return {reference::fold(lanes[0]), reference::fold(lanes[1]), reference::fold(lanes[2]),
          reference::fold(lanes[3]), max_abs};
}

template <class T>
constexpr ReduceKernels<T> kKernels = {sum_abs<T>, masked_sum_abs<T>, dot<T>, count_nonfinite<T>,
                                       difference<T>};

#endif

const ReduceKernels<float>& ReduceF32() { return kKernels<float>; }
const ReduceKernels<double>& ReduceF64() { return kKernels<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(ReduceF32);
HWY_EXPORT(ReduceF64);

namespace {

template <class T>
const ReduceKernels<T>& kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(ReduceF32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(ReduceF64)();
  }
}

}  // namespace

template <class T>
double sum_abs(const T* x, std::size_t n) {
  return kernels<T>().sum_abs(x, n);
}

template <class T>
MaskedSum sum_abs(const T* x, std::size_t n, const std::uint8_t* bits) {
  return kernels<T>().masked_sum_abs(x, n, bits);
}

template <class T>
double dot(const T* x, const T* y, std::size_t n) {
  return kernels<T>().dot(x, y, n);
}

template <class T>
std::size_t count_nonfinite(const T* x, std::size_t n) {
  return kernels<T>().count_nonfinite(x, n);
}

template <class T>
Difference difference(const T* a, const T* b, std::size_t n) {
  return kernels<T>().difference(a, b, n);
}

template double sum_abs(const float*, std::size_t);
template double sum_abs(const double*, std::size_t);
template MaskedSum sum_abs(const float*, std::size_t, const std::uint8_t*);
template MaskedSum sum_abs(const double*, std::size_t, const std::uint8_t*);
template double dot(const float*, const float*, std::size_t);
template double dot(const double*, const double*, std::size_t);
template std::size_t count_nonfinite(const float*, std::size_t);
template std::size_t count_nonfinite(const double*, std::size_t);
template Difference difference(const float*, const float*, std::size_t);
template Difference difference(const double*, const double*, std::size_t);

}  // namespace merganser
#endif
