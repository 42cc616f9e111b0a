#include "kernels/median.h"

#include <cassert>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/median.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef MERGANSER_MEDIAN_ONCE
#define MERGANSER_MEDIAN_ONCE
namespace merganser {
namespace {

template <class T>
struct MedianKernels {
  void (*median)(std::span<const T* const>, T*, std::size_t);
};

// 3^5: the neighbours of an element in five dimensions. More are left to the scalar code.
constexpr std::size_t kMostSpans = 243;

}  // namespace
}  // namespace merganser
#endif

HWY_BEFORE_NAMESPACE();
namespace merganser {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

template <class T>
void median(std::span<const T* const> x, T* out, std::size_t n) {
  reference::median(x, out, n);
}

#else

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using DI = hn::RebindToSigned<hn::ScalableTag<T> >;
template <class T>
using VI = hn::Vec<DI<T> >;
template <class T>
using Int = hn::TFromD<DI<T> >;

// Signed integers in the numbers' order; its own inverse.
template <class T>
HWY_INLINE VI<T> flip(VI<T> bits) {
  constexpr int kSign = 8 * sizeof(T) - 1;
  const DI<T> di;
  const auto magnitude = hn::Set(di, static_cast<Int<T> >(~(std::uint64_t{1} << kSign)));
  return hn::Xor(bits, hn::And(hn::BroadcastSignBit(bits), magnitude));
}

template <class T>
HWY_INLINE VI<T> load_key(const T* x) {
  return flip<T>(hn::BitCast(DI<T>(), hn::LoadU(hn::ScalableTag<T>(), x)));
}

template <class T>
HWY_INLINE void store_key(VI<T> key, T* out) {
  const hn::ScalableTag<T> d;
  hn::StoreU(hn::BitCast(d, flip<T>(key)), d, out);
}

template <class V>
HWY_INLINE void sort2(V& a, V& b) {
  const V low = hn::Min(a, b);
  b = hn::Max(a, b);
  a = low;
}

template <class V>
HWY_INLINE void sort3(V& a, V& b, V& c) {
  sort2(a, b);
  sort2(b, c);
  sort2(a, b);
}

template <class V>
HWY_INLINE V median3(V a, V b, V c) {
  return hn::Max(hn::Min(a, b), hn::Min(hn::Max(a, b), c));
}

template <class T>
std::size_t median_of_3(std::span<const T* const> x, T* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + hn::Lanes(DI<T>()) <= n; i += hn::Lanes(DI<T>())) {
    store_key<T>(median3(load_key(x[0] + i), load_key(x[1] + i), load_key(x[2] + i)), out + i);
  }
  return i;
}

// Of three sorted triples the median lies among the largest low, the middle middle and the smallest
// high one.
template <class T>
std::size_t median_of_9(std::span<const T* const> x, T* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + hn::Lanes(DI<T>()) <= n; i += hn::Lanes(DI<T>())) {
    VI<T> key[9];
    for (std::size_t k = 0; k < 9; ++k) key[k] = load_key(x[k] + i);
    for (std::size_t k = 0; k < 9; k += 3) sort3(key[k], key[k + 1], key[k + 2]);
    const auto low = hn::Max(hn::Max(key[0], key[3]), key[6]);
    const auto high = hn::Min(hn::Min(key[2], key[5]), key[8]);
    store_key<T>(median3(low, median3(key[1], key[4], key[7]), high), out + i);
  }
  return i;
}

// The largest key that at most half of the keys lie below, bit by bit from the highest.
template <class T>
std::size_t median_of_many(std::span<const T* const> x, T* out, std::size_t n) {
  constexpr int kBits = 8 * sizeof(T);
  const DI<T> di;
  const std::size_t lanes = hn::Lanes(di);
  HWY_ALIGN Int<T> keys[kMostSpans * hn::MaxLanes(DI<T>())];
  const auto half = hn::Set(di, static_cast<Int<T> >(x.size() / 2));
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (std::size_t k = 0; k < x.size(); ++k) hn::Store(load_key(x[k] + i), di, keys + k * lanes);
    auto median = hn::Set(di, std::numeric_limits<Int<T> >::min());
    for (int bit = kBits - 1; bit >= 0; --bit) {
      // The sign bit first: the lowest number's is set.
      const auto next = hn::Xor(median, hn::Set(di, static_cast<Int<T> >(std::uint64_t{1} << bit)));
      auto below0 = hn::Zero(di), below1 = below0;  // counts, negative
      std::size_t k = 0;
      for (; k + 2 <= x.size(); k += 2) {
        const auto a = hn::Load(di, keys + k * lanes), b = hn::Load(di, keys + (k + 1) * lanes);
        below0 = hn::Add(below0, hn::VecFromMask(di, hn::Lt(a, next)));
        below1 = hn::Add(below1, hn::VecFromMask(di, hn::Lt(b, next)));
      }
      const auto last = hn::Load(di, keys + k * lanes);
      below0 = hn::Add(below0, hn::VecFromMask(di, hn::Lt(last, next)));
      const auto below = hn::Sub(hn::Zero(di), hn::Add(below0, below1));
      median = hn::IfThenElse(hn::Gt(below, half), median, next);
    }
    store_key<T>(median, out + i);
  }
  return i;
}

template <class T>
void median(std::span<const T* const> x, T* out, std::size_t n) {
  std::size_t done = 0;
  if (x.size() == 3) {
    done = median_of_3(x, out, n);
  } else if (x.size() == 9) {
    done = median_of_9(x, out, n);
  } else if (x.size() <= kMostSpans) {
    done = median_of_many(x, out, n);
  }
  if (done < n) reference::median(x, out, n, done);
}

#endif

template <class T>
constexpr MedianKernels<T> kKernels = {median<T>};

const MedianKernels<float>& MedianF32() { return kKernels<float>; }
const MedianKernels<double>& MedianF64() { return kKernels<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(MedianF32);
HWY_EXPORT(MedianF64);

template <class T>
void median(std::span<const T* const> x, T* out, std::size_t n) {
  assert(x.size() % 2 == 1);
  if constexpr (std::is_same_v<T, float>) {
    HWY_DYNAMIC_DISPATCH(MedianF32)().median(x, out, n);
  } else {
    HWY_DYNAMIC_DISPATCH(MedianF64)().median(x, out, n);
  }
}

template void median(std::span<const float* const>, float*, std::size_t);
template void median(std::span<const double* const>, double*, std::size_t);

}  // namespace merganser
#endif
