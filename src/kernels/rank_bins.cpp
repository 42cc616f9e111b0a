#include "kernels/rank_bins.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

#include "kernels/reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rank_bins.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef MERGANSER_RANK_BINS_ONCE
#define MERGANSER_RANK_BINS_ONCE
namespace merganser {
namespace {

template <class T>
struct RankBinsKernels {
  std::int64_t (*mean_step)(const T*, std::size_t);
  void (*find_bins)(const T*, std::size_t, std::int64_t, std::uint8_t*);
  std::size_t (*split_draws)(const std::uint16_t*, std::size_t, std::uint16_t, std::uint16_t,
                             std::uint64_t*, std::uint64_t*);
  std::size_t (*compare_edges)(const std::uint16_t*, const std::uint8_t*, std::size_t,
                               const std::int32_t*, const std::uint64_t*, std::uint64_t*,
                               std::uint32_t*);
  std::size_t (*find_members)(const std::uint8_t*, std::size_t, std::uint8_t, std::uint32_t*);
};

// A step is the upper bits of the magnitude: the exponent and a part of the mantissa.
template <class T>
constexpr unsigned kShift = (sizeof(T) == 4 ? 23 : 52) - std::bit_width(kStepsOfOctave) + 1;

constexpr std::size_t kSample = 256;  // entries at least, of longer rows

template <class T>
std::int64_t step_of(T x) {
  return static_cast<std::int64_t>(reference::magnitude(x) >> kShift<T>);
}

struct Split {
  std::uint64_t below = 0, between = 0;
};

template <class T>
std::uint8_t bin_of(T x, std::int64_t offset) {
  if (x == 0) return 0;
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>(step_of(x) - offset, 1, 255));
}

}  // namespace
}  // namespace merganser
#endif

HWY_BEFORE_NAMESPACE();
namespace merganser {
namespace HWY_NAMESPACE {
namespace {

namespace scalar {

template <class T>
std::int64_t mean_step(const T* x, std::size_t n) {
  std::int64_t sum = 0, count = 0;
  for (std::size_t i = 0; i < n; i += std::max<std::size_t>(1, n / kSample)) {
    sum += step_of(x[i]);
    count += x[i] != 0;
  }
  return count == 0 ? 0 : sum / count;
}

template <class T>
void find_bins(const T* x, std::size_t n, std::int64_t offset, std::uint8_t* bins) {
  for (std::size_t i = 0; i < n; ++i) bins[i] = bin_of(x[i], offset);
}

Split split_64(const std::uint16_t* draws, std::uint16_t low, std::uint16_t high) {
  Split split;
  for (std::size_t j = 0; j < 64; ++j) {
    split.below |= std::uint64_t{draws[j] < low} << j;
    split.between |= std::uint64_t{draws[j] >= low && draws[j] <= high} << j;
  }
  return split;
}

std::uint64_t equal_of_64(const std::uint8_t* bins, std::uint8_t bin) {
  std::uint64_t bits = 0;
  for (std::size_t j = 0; j < 64; ++j) bits |= std::uint64_t{bins[j] == bin} << j;
  return bits;
}

}  // namespace scalar

#if HWY_TARGET == HWY_SCALAR

using scalar::equal_of_64, scalar::find_bins, scalar::mean_step, scalar::split_64;

#else

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
std::int64_t mean_step(const T* x, std::size_t n) {
  const hn::ScalableTag<T> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const std::size_t lanes = hn::Lanes(d);
  const auto one = hn::Set(du, 1);
  auto sum = hn::Zero(du), count = sum;
  for (std::size_t i = 0; i + lanes <= n; i += std::max(lanes, n / kSample * lanes)) {
    const auto magnitude = hn::BitCast(du, hn::Abs(hn::LoadU(d, x + i)));
    sum = hn::Add(sum, hn::ShiftRight<kShift<T> >(magnitude));
    count = hn::Add(count, hn::Min(magnitude, one));
  }
  const auto total = static_cast<std::int64_t>(hn::GetLane(hn::SumOfLanes(du, sum)));
  const auto others = static_cast<std::int64_t>(hn::GetLane(hn::SumOfLanes(du, count)));
  return others == 0 ? 0 : total / others;
}

void find_bins(const float* x, std::size_t n, std::int64_t offset, std::uint8_t* bins) {
  const hn::ScalableTag<float> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const std::size_t lanes = hn::Lanes(d);
  const auto from = hn::Set(di, static_cast<std::int32_t>(offset)), one = hn::Set(di, 1);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto value = hn::Abs(hn::LoadU(d, x + i));
    const auto step = hn::ShiftRight<kShift<float> >(hn::BitCast(du, value));
    const auto bin = hn::Max(hn::Sub(hn::BitCast(di, step), from), one);
    const auto zero = hn::Eq(hn::BitCast(di, value), hn::Zero(di));
    hn::StoreU(hn::DemoteTo(d8, hn::IfThenZeroElse(zero, bin)), d8, bins + i);
  }
  scalar::find_bins(x + i, n - i, offset, bins + i);
}

void find_bins(const double* x, std::size_t n, std::int64_t offset, std::uint8_t* bins) {
  scalar::find_bins(x, n, offset, bins);
}

Split split_64(const std::uint16_t* draws, std::uint16_t low, std::uint16_t high) {
  const hn::ScalableTag<std::int16_t> d;
  constexpr std::size_t kLanes = hn::MaxLanes(d);
  // Signed comparison of numbers whose sign bit is flipped.
  const auto flip = hn::Set(d, static_cast<std::int16_t>(0x8000));
  const auto lower = hn::Set(d, static_cast<std::int16_t>(low ^ 0x8000));
  const auto upper = hn::Set(d, static_cast<std::int16_t>(high ^ 0x8000));
  std::uint8_t below[8], between[8];
  for (std::size_t j = 0; j < 64; j += kLanes) {
    const auto draw = hn::Xor(hn::LoadU(d, reinterpret_cast<const std::int16_t*>(draws + j)), flip);
    const auto is_below = hn::Lt(draw, lower);
    hn::StoreMaskBits(d, is_below, below + j / 8);
    hn::StoreMaskBits(d, hn::Not(hn::Or(is_below, hn::Gt(draw, upper))), between + j / 8);
  }
  Split split;
  std::memcpy(&split.below, below, 8);
  std::memcpy(&split.between, between, 8);
  return split;
}

std::uint64_t equal_of_64(const std::uint8_t* bins, std::uint8_t bin) {
  const hn::ScalableTag<std::uint8_t> d;
  constexpr std::size_t kLanes = hn::MaxLanes(d);
  const auto wanted = hn::Set(d, bin);
  std::uint8_t stored[16];
  for (std::size_t j = 0; j < 64; j += kLanes) {
    hn::StoreMaskBits(d, hn::Eq(hn::LoadU(d, bins + j), wanted), stored + j / 8);
  }
  std::uint64_t bits;
  std::memcpy(&bits, stored, sizeof bits);
  return bits;
}

#endif

std::size_t split_draws(const std::uint16_t* draws, std::size_t n, std::uint16_t low,
                        std::uint16_t high, std::uint64_t* kept, std::uint64_t* undecided) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < n; i += 64) {
    Split split = split_64(draws + i, low, high);
    if (n - i < 64) split.between &= (std::uint64_t{1} << (n - i)) - 1;
    kept[i / 64] = split.below;
    undecided[i / 64] = split.between;
    count += static_cast<std::size_t>(std::popcount(split.between));
  }
  return count;
}

// Hardly predictable: without branches.
std::size_t compare_edges(const std::uint16_t* draws, const std::uint8_t* bins, std::size_t words,
                          const std::int32_t* edges, const std::uint64_t* undecided,
                          std::uint64_t* kept, std::uint32_t* ambiguous) {
  const std::uint32_t* const begin = ambiguous;
  for (std::size_t word = 0; word < words; ++word) {
    std::uint64_t sure = 0;
    const auto from = static_cast<std::uint32_t>(64 * word);
    std::uint64_t bits = undecided[word] & ~equal_of_64(bins + from, 0);
    for (; bits != 0; bits &= bits - 1) {
      const auto bit = static_cast<std::uint32_t>(std::countr_zero(bits));
      const std::int32_t draw = draws[from + bit];
      const std::int32_t* edge = edges + bins[from + bit];
      const bool below = draw < edge[0], at_most = draw <= edge[1] + 1;
      sure |= std::uint64_t{below} << bit;
      *ambiguous = from + bit;
      ambiguous += static_cast<unsigned>(at_most) & static_cast<unsigned>(!below);
    }
    kept[word] |= sure;
  }
  return static_cast<std::size_t>(ambiguous - begin);
}

// Four at a time: how many a word has cannot be predicted, but mostly they are fewer.
std::size_t find_members(const std::uint8_t* bins, std::size_t n, std::uint8_t bin,
                         std::uint32_t* members) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < n; i += 64) {
    std::uint64_t bits = equal_of_64(bins + i, bin);
    if (n - i < 64) bits &= (std::uint64_t{1} << (n - i)) - 1;
    const auto count = static_cast<std::size_t>(std::popcount(bits));
    const auto from = static_cast<std::uint32_t>(i);
    for (std::size_t done = 0; done < count; done += 4) {
      for (std::size_t j = 0; j < 4; ++j, bits &= bits - 1) {
        members[found + done + j] = from + static_cast<std::uint32_t>(std::countr_zero(bits));
      }
    }
    found += count;
  }
  return found;
}

template <class T>
constexpr RankBinsKernels<T> kKernels = {mean_step<T>, find_bins, split_draws, compare_edges,
                                         find_members};

const RankBinsKernels<float>& RankBinsF32() { return kKernels<float>; }
const RankBinsKernels<double>& RankBinsF64() { return kKernels<double>; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace merganser
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace merganser {

HWY_EXPORT(RankBinsF32);
HWY_EXPORT(RankBinsF64);

namespace {

template <class T>
const RankBinsKernels<T>& kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(RankBinsF32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(RankBinsF64)();
  }
}

}  // namespace

template <class T>
std::int64_t mean_step(const T* x, std::size_t n) {
  return kernels<T>().mean_step(x, n);
}

template <class T>
void find_bins(const T* x, std::size_t n, std::int64_t offset, std::uint8_t* bins) {
  kernels<T>().find_bins(x, n, offset, bins);
}

std::size_t split_draws(const std::uint16_t* draws, std::size_t n, std::uint16_t low,
                        std::uint16_t high, std::uint64_t* kept, std::uint64_t* undecided) {
  return kernels<float>().split_draws(draws, n, low, high, kept, undecided);
}

std::size_t compare_edges(const std::uint16_t* draws, const std::uint8_t* bins, std::size_t words,
                          const std::int32_t* edges, const std::uint64_t* undecided,
                          std::uint64_t* kept, std::uint32_t* ambiguous) {
  return kernels<float>().compare_edges(draws, bins, words, edges, undecided, kept, ambiguous);
}

std::size_t find_members(const std::uint8_t* bins, std::size_t n, std::uint8_t bin,
                         std::uint32_t* members) {
  return kernels<float>().find_members(bins, n, bin, members);
}

template std::int64_t mean_step(const float*, std::size_t);
template std::int64_t mean_step(const double*, std::size_t);
template void find_bins(const float*, std::size_t, std::int64_t, std::uint8_t*);
template void find_bins(const double*, std::size_t, std::int64_t, std::uint8_t*);

}  // namespace merganser
#endif
