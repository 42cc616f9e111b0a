// The small float formats, one number at a time and in integers: the reference for convert.h, and
// the constants both share.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace merganser {

// A sign bit, E exponent bits, M mantissa bits. `fn`: no infinities, all ones is the only NaN.
template <int E, int M, bool fn = false>
struct FloatFormat {
  static constexpr int mantissa = M;
  static constexpr int shift = 23 - M;  // from a float's mantissa
  static constexpr int rebias = 127 - ((1 << (E - 1)) - 1);
  static constexpr std::uint32_t sign = 1u << (E + M);
  static constexpr std::uint32_t infinity = ((1u << E) - 1) << M;
  static constexpr std::uint32_t nan = fn ? sign - 1 : infinity + 1;  // smallest magnitude
  static constexpr std::uint32_t overflow = fn ? sign - 1 : infinity;
  static constexpr std::uint32_t quiet = 1u << (M - 1);
  static constexpr bool has_infinity = !fn;
  // Bits of floats: the smallest normal number, and the number whose last place is our smallest
  // subnormal: adding it rounds to a multiple of that.
  static constexpr std::uint32_t smallest_normal = std::uint32_t{rebias + 1} << 23;
  static constexpr std::uint32_t magic = std::uint32_t{rebias + 1 + 23 - M} << 23;
};
using F16 = FloatFormat<5, 10>;
using F8E5M2 = FloatFormat<5, 2>;
using F8E4M3 = FloatFormat<4, 3, true>;

template <class Format>
float widen_one(std::uint32_t h) {
  const std::uint32_t mag = h & (Format::sign - 1);
  std::uint32_t bits;
  if (mag >= Format::nan || (Format::has_infinity && mag == Format::infinity)) {
    bits = 0x7F800000 | mag << Format::shift;
  } else if (mag >> Format::mantissa != 0) {
    bits = (mag << Format::shift) + (std::uint32_t{Format::rebias} << 23);
  } else {
    bits = std::bit_cast<std::uint32_t>((static_cast<float>(mag)) *
                                        std::bit_cast<float>(Format::magic - (23u << 23)));
  }
  return std::bit_cast<float>(bits | ((h & Format::sign) != 0 ? 0x80000000u : 0u));
}

template <class Format>
std::uint32_t narrow_one(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x), mag = bits & 0x7FFFFFFF;
  const std::uint32_t sign = (bits >> 31) * Format::sign;
  if (mag > 0x7F800000) {
    if (!Format::has_infinity) return sign | Format::nan;
    const std::uint32_t payload = (mag & 0x7FFFFF) >> Format::shift;
    return sign | Format::infinity | (payload != 0 ? payload : Format::quiet);
  }
  // Beside the kept mantissa bits lies what is rounded away; below the smallest normal number more.
  int shift = Format::shift;
  std::uint32_t whole = mag, offset = std::uint32_t{Format::rebias} << Format::mantissa;
  if (mag < Format::smallest_normal) {
    const int exponent = static_cast<int>(mag >> 23);
    shift += Format::rebias + 1 - (exponent == 0 ? 1 : exponent);
    if (shift > 30) return sign;  // below half of the smallest subnormal
    whole = (mag & 0x7FFFFF) | (exponent == 0 ? 0 : 0x800000);
    offset = 0;
  }
  const std::uint32_t odd = (whole >> shift) & 1;
  const std::uint32_t rounded = ((whole + ((1u << (shift - 1)) - 1) + odd) >> shift) - offset;
  return sign | (rounded < Format::overflow ? rounded : Format::overflow);
}

inline float widen_bf16(std::uint32_t h) { return std::bit_cast<float>(h << 16); }

inline std::uint32_t narrow_bf16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x), upper = bits >> 16;
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return (upper & 0x7F) != 0 ? upper : upper | 0x40;
  return (bits + 0x7FFF + (upper & 1)) >> 16;
}

// Exact, and unlike a cast it leaves a signalling NaN as it is.
inline double widen_f32(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7FFFFFFF) <= 0x7F800000) return x;
  return std::bit_cast<double>(std::uint64_t{bits >> 31} << 63 | 0x7FF0000000000000 |
                               std::uint64_t{bits & 0x7FFFFF} << 29);
}

inline float narrow_nan(double x) {
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  const auto payload = static_cast<std::uint32_t>(bits >> 29) & 0x7FFFFF;
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits >> 63) << 31 | 0x7F800000 |
                              (payload != 0 ? payload : 0x400000));
}

inline float narrow_f32(double x) { return x == x ? static_cast<float>(x) : narrow_nan(x); }

// A float that rounds on to any format of at most 22 mantissa bits as x itself would: toward zero,
// and the last bit set where that lost something ("round to odd").
inline float round_to_odd(double x) {
  if (x != x) return narrow_nan(x);
  const float nearest = static_cast<float>(x);
  if (static_cast<double>(nearest) == x) return nearest;
  std::uint32_t bits = std::bit_cast<std::uint32_t>(nearest);
  if (std::abs(static_cast<double>(nearest)) > std::abs(x)) --bits;
  return std::bit_cast<float>(bits | 1);
}

}  // namespace merganser
