#include "kernels/rank.h"

#include <array>
#include <cassert>
#include <limits>
#include <type_traits>
#include <utility>

#include "kernels/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rank.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace merganser {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

template <bool kEqual, class T>
std::size_t count(const T* x, std::size_t n, T bound) {
  return reference::count_magnitudes<kEqual>(x, n, bound);
}

#else

namespace hn = hwy::HWY_NAMESPACE;

// |x| > bound, or == bound.
template <bool kEqual, class T>
std::size_t count(const T* x, std::size_t n, T bound) {
  const hn::ScalableTag<T> d;
  const hn::RebindToSigned<decltype(d)> di;
  const std::size_t lanes = hn::Lanes(d);
  const auto limit = hn::BitCast(di, hn::Abs(hn::Set(d, bound)));
  const auto matches = [&](auto magnitude) {
    if constexpr (kEqual) {
      return hn::VecFromMask(di, hn::Eq(magnitude, limit));
    } else {
      return hn::VecFromMask(di, hn::Gt(magnitude, limit));
    }
  };
  // Lanes count down; two vectors at a time.
  auto even = hn::Zero(di), odd = even;
  std::size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto a = hn::BitCast(di, hn::Abs(hn::LoadU(d, x + i)));
    const auto b = hn::BitCast(di, hn::Abs(hn::LoadU(d, x + i + lanes)));
    even = hn::Add(even, matches(a));
    odd = hn::Add(odd, matches(b));
  }
  const auto total = hn::GetLane(hn::SumOfLanes(di, hn::Add(even, odd)));
  return static_cast<std::size_t>(-total) +
         reference::count_magnitudes<kEqual>(x + i, n - i, bound);
}

#endif

std::size_t AboveF32(const float* x, std::size_t n, float bound) {
  return count<false>(x, n, bound);
}
std::size_t AboveF64(const double* x, std::size_t n, double bound) {
  return count<false>(x, n, bound);
}
std::size_t EqualF32(const float* x, std::size_t n, float bound) {
  return count<true>(x, n, bound);
}
std::size_t EqualF64(const double* x, std::size_t n, double bound) {
  return count<true>(x, n, bound);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(AboveF32);
HWY_EXPORT(AboveF64);
HWY_EXPORT(EqualF32);
HWY_EXPORT(EqualF64);

namespace {

template <class T>
std::size_t count_above(const T* x, std::size_t n, T bound) {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(AboveF32)(x, n, bound);
  } else {
    return HWY_DYNAMIC_DISPATCH(AboveF64)(x, n, bound);
  }
}

template <class T>
std::size_t count_equal(const T* x, std::size_t n, T bound) {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(EqualF32)(x, n, bound);
  } else {
    return HWY_DYNAMIC_DISPATCH(EqualF64)(x, n, bound);
  }
}

template <class T>
std::size_t count_below(const T* x, std::size_t n, T bound) {
  const auto magnitude = reference::magnitude(bound);
  if (magnitude == 0) return 0;
  return n - count_above(x, n, std::bit_cast<T>(static_cast<decltype(magnitude)>(magnitude - 1)));
}

}  // namespace

template <class T>
std::size_t rank_of(const T* x, std::size_t n, std::size_t i) {
  // Before i equal ones count, too.
  return i - count_above(x, i, x[i]) + count_below(x + i + 1, n - i - 1, x[i]) + 1;
}

template <class T>
void rank_equals(const T* x, std::size_t n, std::span<const std::uint32_t> entries,
                 std::uint32_t* ranks) {
  if (entries.empty()) return;
  std::size_t rank = count_below(x, n, x[entries[0]]) + 1, counted = 0;
  for (std::size_t k = 0; k < entries.size(); ++k) {
    rank += count_equal(x + counted, entries[k] - counted, x[entries[k]]);
    counted = entries[k];
    ranks[k] = static_cast<std::uint32_t>(rank);
  }
}

// A radix sort by 8 bits at a time, the lowest first; digits that all have in common are skipped.
template <class T>
void rank_magnitudes(const T* x, std::size_t n, std::uint32_t* ranks, RankScratch<T>& scratch) {
  assert(n <= std::numeric_limits<std::uint32_t>::max());
  constexpr std::size_t kDigits = sizeof(T), kValues = 256;
  auto& entries = scratch.entries;
  entries.resize(n);
  scratch.sorted.resize(n);
  std::array<std::array<std::uint32_t, kValues>, kDigits> counts{};
  for (std::size_t i = 0; i < n; ++i) {
    const auto magnitude = reference::magnitude(x[i]);
    entries[i] = {std::bit_cast<T>(magnitude), static_cast<std::uint32_t>(i)};
    for (std::size_t digit = 0; digit < kDigits; ++digit) {
      ++counts[digit][magnitude >> (8 * digit) & 0xFF];
    }
  }
  for (std::size_t digit = 0; digit < kDigits; ++digit) {
    const auto value = [digit](const auto& entry) {
      return reference::magnitude(entry.magnitude) >> (8 * digit) & 0xFF;
    };
    auto& places = counts[digit];
    if (n == 0 || places[value(entries[0])] == n) continue;
    std::uint32_t before = 0;
    for (std::uint32_t& place : places) before += std::exchange(place, before);
    for (const auto& entry : entries) scratch.sorted[places[value(entry)]++] = entry;
    entries.swap(scratch.sorted);
  }
  for (std::size_t place = 0; place < n; ++place) {
    ranks[entries[place].index] = static_cast<std::uint32_t>(place + 1);
  }
}

template void rank_magnitudes(const float*, std::size_t, std::uint32_t*, RankScratch<float>&);
template void rank_magnitudes(const double*, std::size_t, std::uint32_t*, RankScratch<double>&);
template std::size_t rank_of(const float*, std::size_t, std::size_t);
template std::size_t rank_of(const double*, std::size_t, std::size_t);
template void rank_equals(const float*, std::size_t, std::span<const std::uint32_t>,
                          std::uint32_t*);
template void rank_equals(const double*, std::size_t, std::span<const std::uint32_t>,
                          std::uint32_t*);

}  // namespace merganser
#endif
