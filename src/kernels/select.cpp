#include "kernels/select.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "kernels/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/select.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef MERGANSER_SELECT_ONCE
#define MERGANSER_SELECT_ONCE
namespace merganser {
namespace {

template <class T>
struct SelectKernels {
  void (*count_bracket)(const T*, std::size_t, T, T, BracketCounts<T>&, std::vector<T>&);
  std::size_t (*trim)(T*, std::size_t, T, std::size_t);
  std::size_t (*trim_largest)(T*, std::size_t, T, std::size_t);
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
constexpr SelectKernels<T> kKernels = {reference::count_bracket<T>, reference::trim<true, T>,
                                       reference::trim<false, T>};

#else

namespace hn = hwy::HWY_NAMESPACE;

// Magnitudes are compared as signed integers: their sign bit is clear, and every target has it.
template <class T>
using DI = hn::RebindToSigned<hn::ScalableTag<T> >;
template <class T>
using VI = hn::Vec<DI<T> >;
template <class T>
using Int = hn::TFromD<DI<T> >;

template <class T>
VI<T> load_magnitude(const T* x) {
  const hn::ScalableTag<T> d;
  return hn::BitCast(DI<T>(), hn::Abs(hn::LoadU(d, x)));
}

// A mask as the bits of a number, the first lane lowest.
template <class T, class M>
HWY_INLINE std::uint64_t bits_of(M mask) {
  const DI<T> di;
  std::conditional_t<(hn::MaxLanes(di) > 8), std::uint16_t, std::uint8_t> bits = 0;
  std::uint8_t bytes[8];
  hn::StoreMaskBits(di, mask, bytes);
  std::memcpy(&bits, bytes, sizeof bits);
  return bits;
}

// The elements of a group in or at the ends of the bracket. One loop over the set bits of the whole
// group: which vector has them cannot be predicted, and Highway's Compress copies its table to the
// stack each time under GCC 12.
template <class T, std::size_t kGroup>
HWY_INLINE T* collect(const T* x, const VI<T> (&mag)[kGroup], VI<T> low, VI<T> high,
                      BracketCounts<T>& counts, T* end) {
  const DI<T> di;
  static_assert(kGroup * hn::MaxLanes(di) <= 64);
  std::uint64_t inside = 0;
  for (std::size_t v = 0; v < kGroup; ++v) {
    inside |= bits_of<T>(hn::And(hn::Gt(mag[v], low), hn::Lt(mag[v], high)))
              << v * hn::MaxLanes(di);
    counts.at_high += hn::CountTrue(di, hn::Eq(mag[v], high));
    counts.at_low += hn::CountTrue(di, hn::Eq(mag[v], low));
  }
  for (; inside != 0; inside &= inside - 1) *end++ = std::abs(x[std::countr_zero(inside)]);
  return end;
}

template <class T>
void count_bracket(const T* x, std::size_t n, T low, T high, BracketCounts<T>& counts,
                   std::vector<T>& inside) {
  constexpr std::size_t kGroup = 4, kBuffer = 1024;
  const DI<T> di;
  const std::size_t lanes = hn::Lanes(di), group = kGroup * lanes;
  const VI<T> vlow = hn::Set(di, static_cast<Int<T> >(reference::magnitude(low)));
  const VI<T> vhigh = hn::Set(di, static_cast<Int<T> >(reference::magnitude(high)));
  const VI<T> below_low = hn::Sub(vlow, hn::Set(di, Int<T>{1}));
  T buffer[kBuffer];
  BracketCounts<T> found;
  std::size_t i = 0;
  while (i + group <= n) {
    const std::size_t stop = std::min(n, i + kBuffer);
    T* end = buffer;
    for (; i + group <= stop; i += group) {
      VI<T> mag[kGroup];
      auto any = hn::MaskFromVec(hn::Zero(di));
      for (std::size_t v = 0; v < kGroup; ++v) {
        mag[v] = load_magnitude(x + i + v * lanes);
        const auto above = hn::Gt(mag[v], vhigh);
        found.above += hn::CountTrue(di, above);
        any = hn::Or(any, hn::AndNot(above, hn::Gt(mag[v], below_low)));
      }
      if (!hn::AllFalse(di, any)) end = collect<T>(x + i, mag, vlow, vhigh, found, end);
    }
    inside.insert(inside.end(), buffer, end);
  }
  if (reference::magnitude(low) == reference::magnitude(high)) found.at_low = 0;
  counts.above += found.above;
  counts.at_high += found.at_high;
  counts.at_low += found.at_low;
  if (i < n) reference::count_bracket(x + i, n - i, low, high, counts, inside);
}

// Vectors from x[i] on, all ties among the largest or none, until the end or the vector that holds
// more ties than `ties` leaves. Returns how many it met; i is where it stopped.
template <bool kLargest, bool kTies, class T>
std::size_t trim_run(T* x, std::size_t n, VI<T> threshold, std::size_t ties, std::size_t& i) {
  const hn::ScalableTag<T> d;
  const DI<T> di;
  const VI<T> bound = kTies ? hn::Sub(threshold, hn::Set(di, Int<T>{1})) : threshold;
  std::size_t met = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    const auto value = hn::LoadU(d, x + i);
    const auto mag = hn::BitCast(di, hn::Abs(value));
    const auto tie = hn::Eq(mag, threshold);
    const std::size_t here = hn::CountTrue(di, tie);
    if (kTies && met + here > ties) break;
    met += here;
    const auto large = hn::RebindMask(d, hn::Gt(mag, bound));
    const auto kept =
        kLargest ? hn::IfThenElseZero(large, value) : hn::IfThenZeroElse(large, value);
    hn::StoreU(kept, d, x + i);
  }
  return met;
}

template <bool kLargest, class T>
std::size_t trim(T* x, std::size_t n, T threshold, std::size_t ties) {
  const DI<T> di;
  const std::size_t lanes = hn::Lanes(di);
  const VI<T> limit = hn::Set(di, static_cast<Int<T> >(reference::magnitude(threshold)));
  std::size_t i = 0, met = 0;
  if (ties != 0) met = trim_run<kLargest, true>(x, n, limit, ties, i);
  if (i + lanes <= n) {
    if (ties != 0) {  // the one vector of whose ties some are among the largest
      met += reference::trim<kLargest>(x + i, lanes, threshold, ties - met);
      i += lanes;
    }
    met += trim_run<kLargest, false>(x, n, limit, 0, i);
  }
  if (i < n) met += reference::trim<kLargest>(x + i, n - i, threshold, met < ties ? ties - met : 0);
  return met;
}

template <class T>
constexpr SelectKernels<T> kKernels = {count_bracket<T>, trim<true, T>, trim<false, T>};

#endif

const SelectKernels<float>& SelectF32() { return kKernels<float>; }
const SelectKernels<double>& SelectF64() { return kKernels<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(SelectF32);
HWY_EXPORT(SelectF64);

namespace {

template <class T>
const SelectKernels<T>& kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(SelectF32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(SelectF64)();
  }
}

}  // namespace

template <class T>
void count_bracket(const T* x, std::size_t n, T low, T high, BracketCounts<T>& counts,
                   std::vector<T>& inside) {
  assert(reference::magnitude(low) <= reference::magnitude(high));
  kernels<T>().count_bracket(x, n, low, high, counts, inside);
}

template <class T>
std::size_t trim(T* x, std::size_t n, T threshold, std::size_t ties) {
  return kernels<T>().trim(x, n, threshold, ties);
}

template <class T>
std::size_t trim_largest(T* x, std::size_t n, T threshold, std::size_t ties) {
  return kernels<T>().trim_largest(x, n, threshold, ties);
}

template void count_bracket(const float*, std::size_t, float, float, BracketCounts<float>&,
                            std::vector<float>&);
template void count_bracket(const double*, std::size_t, double, double, BracketCounts<double>&,
                            std::vector<double>&);
template std::size_t trim(float*, std::size_t, float, std::size_t);
template std::size_t trim(double*, std::size_t, double, std::size_t);
template std::size_t trim_largest(float*, std::size_t, float, std::size_t);
template std::size_t trim_largest(double*, std::size_t, double, std::size_t);

}  // namespace merganser
#endif
