// What each kernel computes, one element at a time and in plain C++. Tests and benchmarks compare
// with it, the baseline runs it, and the vector code leaves the ends of spans to it.
#pragma once

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "base/dtype.h"
#include "base/random.h"
#include "kernels/adam.h"
#include "kernels/consensus.h"
#include "kernels/exp_log.h"
#include "kernels/float_format.h"
#include "kernels/overlap.h"
#include "kernels/reduce.h"
#include "kernels/select.h"

namespace merganser::reference {

// --- convert.h

template <class Stored>
Stored load(const std::byte* in) {
  Stored value;
  std::memcpy(&value, in, sizeof value);
  return value;
}

template <class T>
void widen(DType from, const std::byte* in, T* out, std::size_t n) {
  constexpr auto exact = [](float x) -> T {
    if constexpr (std::is_same_v<T, double>) return widen_f32(x);
    return x;
  };
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(in);
  for (std::size_t i = 0; i < n; ++i) {
    switch (from) {
      case DType::f64:
        assert((std::is_same_v<T, double>));
        std::memcpy(out + i, in + 8 * i, sizeof(T));
        break;
      case DType::f32:
        out[i] = exact(load<float>(in + 4 * i));
        break;
      case DType::f16:
        out[i] = exact(widen_one<F16>(load<std::uint16_t>(in + 2 * i)));
        break;
      case DType::bf16:
        out[i] = exact(widen_bf16(load<std::uint16_t>(in + 2 * i)));
        break;
      case DType::f8_e4m3:
        out[i] = exact(widen_one<F8E4M3>(bytes[i]));
        break;
      case DType::f8_e5m2:
        out[i] = exact(widen_one<F8E5M2>(bytes[i]));
        break;
      default:
        assert(!"not a float type");
    }
  }
}

template <class T>
void narrow(const T* in, DType to, std::byte* out, std::size_t n) {
  constexpr auto rounded = [](T x) -> float {
    if constexpr (std::is_same_v<T, double>) return round_to_odd(x);
    return x;
  };
  const auto store = [out](std::size_t i, auto value) {
    std::memcpy(out + i * sizeof value, &value, sizeof value);
  };
  for (std::size_t i = 0; i < n; ++i) {
    switch (to) {
      case DType::f64:
        if constexpr (std::is_same_v<T, double>) {
          store(i, in[i]);
        } else {
          store(i, widen_f32(in[i]));
        }
        break;
      case DType::f32:
        if constexpr (std::is_same_v<T, double>) {
          store(i, narrow_f32(in[i]));
        } else {
          store(i, in[i]);
        }
        break;
      case DType::f16:
        store(i, static_cast<std::uint16_t>(narrow_one<F16>(rounded(in[i]))));
        break;
      case DType::bf16:
        store(i, static_cast<std::uint16_t>(narrow_bf16(rounded(in[i]))));
        break;
      case DType::f8_e4m3:
        store(i, static_cast<std::uint8_t>(narrow_one<F8E4M3>(rounded(in[i]))));
        break;
      case DType::f8_e5m2:
        store(i, static_cast<std::uint8_t>(narrow_one<F8E5M2>(rounded(in[i]))));
        break;
      default:
        assert(!"not a float type");
    }
  }
}

// --- adam.h

template <class T>
void adam(const AdamStep<T>& step, const T* gradient, T* m, T* v, T* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const T g = gradient[i];
    m[i] = m[i] + step.keep1 * (g - m[i]);
    v[i] = v[i] * step.keep2 + (step.take2 * g) * g;
    const T divisor = std::sqrt(v[i]) / step.correction2_root + step.epsilon;
    x[i] = x[i] - (step.rate_over_correction * m[i]) / divisor;
  }
}

// --- blend.h

template <class T>
void add(const T* a, const T* b, T* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = a[i] + b[i];
}

template <class T>
void subtract(const T* a, const T* b, T* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = a[i] - b[i];
}

template <class T>
void scale(T factor, const T* x, T* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = factor * x[i];
}

template <class T>
void divide(const T* x, T divisor, T* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = x[i] / divisor;
}

template <class T>
void add_scaled(T factor, const T* x, T* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = out[i] + factor * x[i];
}

// From element `first` on: the vector code's end of the span.
template <class T>
void combine(std::span<const T> w, std::span<T* const> x, T* out, std::size_t n,
             std::size_t first = 0) {
  for (std::size_t j = first; j < n; ++j) {
    T sum = w.empty() ? T{0} : w[0] * x[0][j];
    for (std::size_t i = 1; i < w.size(); ++i) sum = sum + w[i] * x[i][j];
    out[j] = sum;
  }
}

// --- reduce.h

inline constexpr std::size_t kSumLanes = 16;

inline double fold(double (&lanes)[kSumLanes]) {
  for (std::size_t half = kSumLanes / 2; half != 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

template <class T>
double sum_abs(const T* x, std::size_t n) {
  double lanes[kSumLanes] = {};
  for (std::size_t i = 0; i < n; ++i) lanes[i % kSumLanes] += std::abs(static_cast<double>(x[i]));
  return fold(lanes);
}

template <class T>
MaskedSum sum_abs(const T* x, std::size_t n, const std::uint8_t* bits) {
  double whole[kSumLanes] = {}, kept[kSumLanes] = {};
  for (std::size_t i = 0; i < n; ++i) {
    const double size = std::abs(static_cast<double>(x[i]));
    whole[i % kSumLanes] += size;
    if ((bits[i / 8] >> (i % 8) & 1) != 0) kept[i % kSumLanes] += size;
  }
  return {fold(whole), fold(kept)};
}

template <class T>
double dot(const T* x, const T* y, std::size_t n) {
  double lanes[kSumLanes] = {};
  for (std::size_t i = 0; i < n; ++i) {
    lanes[i % kSumLanes] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  }
  return fold(lanes);
}

template <class T>
std::size_t count_nonfinite(const T* x, std::size_t n) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < n; ++i) count += !std::isfinite(x[i]);
  return count;
}

template <class T>
Difference difference(const T* a, const T* b, std::size_t n) {
  double ab[kSumLanes] = {}, aa[kSumLanes] = {}, bb[kSumLanes] = {}, dd[kSumLanes] = {};
  double max_abs = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = a[i], y = b[i], d = x - y;
    ab[i % kSumLanes] += x * y;
    aa[i % kSumLanes] += x * x;
    bb[i % kSumLanes] += y * y;
    dd[i % kSumLanes] += d * d;
    if (std::abs(d) > max_abs) max_abs = std::abs(d);
  }
  return {fold(ab), fold(aa), fold(bb), fold(dd), max_abs};
}

// --- select.h

template <class T>
auto magnitude(T x) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  return static_cast<Bits>(std::bit_cast<Bits>(x) & (~Bits{0} >> 1));
}

template <class T>
void count_bracket(const T* x, std::size_t n, T low, T high, BracketCounts<T>& counts,
                   std::vector<T>& inside) {
  for (std::size_t i = 0; i < n; ++i) {
    const auto mag = magnitude(x[i]);
    if (mag > magnitude(high)) {
      ++counts.above;
    } else if (mag == magnitude(high)) {
      ++counts.at_high;
    } else if (mag > magnitude(low)) {
      inside.push_back(std::bit_cast<T>(mag));
    } else if (mag == magnitude(low)) {
      ++counts.at_low;
    }
  }
}

// kLargest: whether the largest stay or go.
template <bool kLargest = true, class T>
std::size_t trim(T* x, std::size_t n, T threshold, std::size_t ties) {
  std::size_t met = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto mag = magnitude(x[i]);
    const bool tie = mag == magnitude(threshold);
    const bool large = mag > magnitude(threshold) || (tie && met < ties);
    if (large != kLargest) x[i] = 0;
    met += tie;
  }
  return met;
}

// --- rank.h

// |x| == bound, or > bound.
template <bool kEqual, class T>
std::size_t count_magnitudes(const T* x, std::size_t n, T bound) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < n; ++i) {
    count += kEqual ? magnitude(x[i]) == magnitude(bound) : magnitude(x[i]) > magnitude(bound);
  }
  return count;
}

// --- consensus.h

template <class T>
T vote(std::span<T* const> d, bool by_count, std::size_t j) {
  T sum = 0;
  for (const T* model : d) {
    sum = sum + (by_count ? static_cast<T>((model[j] > 0) - (model[j] < 0)) : model[j]);
  }
  return sum;
}

template <class T>
void consensus(std::span<T* const> d, std::span<const T> w, ConsensusRule rule, bool mean, T* out,
               std::size_t n, std::size_t first = 0) {
  for (std::size_t j = first; j < n; ++j) {
    const T votes = vote(d, rule.by_count, j);
    const bool positive = votes > 0 || (votes == 0 && rule.positive_on_zero);
    T sum = 0, weight = 0;
    for (std::size_t i = 0; i < d.size(); ++i) {
      if (positive ? d[i][j] > 0 : d[i][j] < 0) {
        sum = sum + d[i][j];
        if (mean) weight = weight + w[i];
      }
    }
    out[j] = mean ? sum / (weight == 0 ? T{1} : weight) : sum;
  }
}

template <class T>
void count_signs(std::span<T* const> d, bool by_count, SignCounts& counts, std::size_t n,
                 std::size_t first = 0) {
  for (std::size_t j = first; j < n; ++j) {
    const T votes = vote(d, by_count, j);
    counts.positive += votes > 0;
    counts.negative += votes < 0;
  }
}

// --- median.h

// Signed integers in the numbers' order, and back: it is its own inverse.
template <class T>
auto ordered_bits(T x) {
  using Int = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  const Int bits = std::bit_cast<Int>(x);
  return bits < 0 ? bits ^ std::numeric_limits<Int>::max() : bits;
}

template <class T>
void median(std::span<const T* const> x, T* out, std::size_t n, std::size_t first = 0) {
  using Int = decltype(ordered_bits(T{}));
  std::vector<Int> keys(x.size());
  for (std::size_t j = first; j < n; ++j) {
    for (std::size_t i = 0; i < x.size(); ++i) keys[i] = ordered_bits(x[i][j]);
    std::nth_element(keys.begin(), keys.begin() + x.size() / 2, keys.end());
    const Int key = keys[x.size() / 2];
    out[j] = std::bit_cast<T>(key < 0 ? key ^ std::numeric_limits<Int>::max() : key);
  }
}

template <class T>
void weighted_consensus(std::span<T* const> d, std::span<const T> w, T least, T* out, std::size_t n,
                        std::size_t first = 0) {
  for (std::size_t j = first; j < n; ++j) {
    const bool positive = vote(d, false, j) >= 0;
    T sum = 0, weight = 0;
    for (std::size_t i = 0; i < d.size(); ++i) {
      if (positive ? d[i][j] > 0 : d[i][j] < 0) {
        sum = sum + w[i] * d[i][j];
        weight = weight + w[i];
      }
    }
    out[j] = sum / (weight > least ? weight : least);
  }
}

// --- overlap.h

template <class T>
std::size_t taking_part(std::span<T* const> d, T epsilon, std::size_t j) {
  std::size_t count = 0;
  for (const T* model : d) count += std::abs(model[j]) > epsilon;
  return count;
}

template <class T>
void merge_overlapping(std::span<T* const> d, std::span<const T> boost, T epsilon, T* out,
                       std::size_t n, std::size_t first = 0) {
  for (std::size_t j = first; j < n; ++j) {
    const std::size_t count = taking_part(d, epsilon, j);
    T sum = 0, boosted = 0;
    for (std::size_t i = 0; i < d.size(); ++i) {
      if (!(std::abs(d[i][j]) > epsilon)) continue;
      sum = sum + d[i][j];
      boosted = boost[i] * d[i][j];
    }
    out[j] = count == 1 ? boosted : count == 0 ? 0 : sum / static_cast<T>(count);
  }
}

template <class T>
void count_overlap(std::span<T* const> d, T epsilon, std::span<Overlap> counts, std::size_t n,
                   std::size_t first = 0) {
  for (std::size_t j = first; j < n; ++j) {
    const std::size_t count = taking_part(d, epsilon, j);
    for (std::size_t i = 0; i < d.size(); ++i) {
      if (std::abs(d[i][j]) > epsilon) ++(count == 1 ? counts[i].alone : counts[i].shared);
    }
  }
}

// --- variance.h

template <class T>
std::size_t variance(std::span<T* const> x, T* out, std::size_t n, std::size_t begin = 0) {
  const auto count = static_cast<double>(x.size());
  std::size_t nonzero = 0;
  for (std::size_t j = begin; j < n; ++j) {
    const double first = x[0][j];
    double sum = 0;
    for (std::size_t k = 1; k < x.size(); ++k) sum += x[k][j] - first;
    const double mean = sum / count;
    double squares = mean * mean;
    for (std::size_t k = 1; k < x.size(); ++k) {
      const double distance = (x[k][j] - first) - mean;
      squares += distance * distance;
    }
    out[j] = static_cast<T>(squares / count);
    nonzero += out[j] != 0;
  }
  return nonzero;
}

// --- softmax.h

inline double divergence_term(double x, double share_x, double y, double share_y, double least) {
  const double p = exp_log::exp(x) * share_x + least, q = exp_log::exp(y) * share_y + least;
  return p * exp_log::log(p / q);
}

template <class T>
double softmax_divergence(const T* x, const T* y, std::size_t n, double least) {
  if (n == 0) return 0;
  double most[2], sums[2];
  for (const int side : {0, 1}) {
    const T* v = side == 0 ? x : y;
    double lanes[kSumLanes] = {};
    most[side] = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < n; ++i) most[side] = v[i] > most[side] ? v[i] : most[side];
    for (std::size_t i = 0; i < n; ++i) lanes[i % kSumLanes] += exp_log::exp(v[i] - most[side]);
    sums[side] = fold(lanes);
  }
  if (!(sums[0] > 0 && sums[1] > 0)) return std::numeric_limits<double>::quiet_NaN();
  double lanes[kSumLanes] = {};
  for (std::size_t i = 0; i < n; ++i) {
    lanes[i % kSumLanes] +=
        divergence_term(x[i] - most[0], 1 / sums[0], y[i] - most[1], 1 / sums[1], least);
  }
  return fold(lanes);
}

// --- approach.h

template <class T>
void approach(const T* from, const T* to, T step, T least, T* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const T distance = std::abs(from[i] - to[i]);
    const T quotient = step / (distance > least ? distance : least);
    const T share = quotient < 1 ? quotient : 1;
    out[i] = share * to[i] + (1 - share) * from[i];
  }
}

// --- dropout.h

inline void draw_bits(std::uint16_t* out, std::size_t n, RandomStream stream, std::uint64_t first) {
  for (std::size_t j = 0; j < n; ++j) out[first % 8 + j] = draw16(stream, first + j);
}

inline void keep_mask(std::uint8_t* bits, std::size_t n, RandomStream stream, std::uint64_t first,
                      std::uint64_t threshold) {
  for (std::size_t j = 0; j < n; ++j) {
    const auto bit = static_cast<std::uint8_t>(1u << (j % 8));
    if (j % 8 == 0) bits[j / 8] = 0;
    if (keeps(stream, first + j, threshold)) bits[j / 8] |= bit;
  }
}

// From element `begin` on.
template <class T>
void apply_mask(T* x, std::size_t begin, std::size_t n, const std::uint8_t* bits) {
  for (std::size_t j = begin; j < n; ++j) {
    if ((bits[j / 8] >> (j % 8) & 1) == 0) x[j] = 0;
  }
}

}  // namespace merganser::reference
