// exp and log in basic operations that round on their own: the constants, and the functions for one
// number. The vector code makes the same steps. Errors are below 2 ulp.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace merganser::exp_log {

// ln 2 in two parts; a multiple of the first below 2^20 is exact.
inline constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
inline constexpr double kLog2E = 0x1.71547652b82fep+0;
// Added and subtracted it rounds to a whole number, which its last bits then hold.
inline constexpr double kRounder = 0x1.8p52;
inline constexpr double kLowest = -700;  // exp below it is exp of it: 1e-304

// Taylor series of exp to the 13th order, the highest first; |r| <= ln 2 / 2.
inline constexpr double kExp[] = {1.0 / 6227020800,
                                  1.0 / 479001600,
                                  1.0 / 39916800,
                                  1.0 / 3628800,
                                  1.0 / 362880,
                                  1.0 / 40320,
                                  1.0 / 5040,
                                  1.0 / 720,
                                  1.0 / 120,
                                  1.0 / 24,
                                  1.0 / 6,
                                  0.5,
                                  1,
                                  1};
// Of atanh(s) / s in s^2, the highest first; |s| <= 0.1716.
inline constexpr double kAtanh[] = {1.0 / 23, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13,
                                    1.0 / 11, 1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3,  1};

inline constexpr std::uint64_t kRootHalf = 0x3FE6A09E667F3BCD;  // bits of sqrt(1/2)
inline constexpr std::uint64_t kExponent = 0xFFF0000000000000;  // sign and exponent
inline constexpr std::uint64_t kExponentBias = std::uint64_t{1024} << 52;
inline constexpr double kTwo52 = 0x1p52;

// Of x <= 700; NaN for NaN.
inline double exp(double x) {
  x = x < kLowest ? kLowest : x;
  const double shifted = x * kLog2E + kRounder;
  const double k = shifted - kRounder;
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double sum = kExp[0];
  for (std::size_t i = 1; i < std::size(kExp); ++i) sum = sum * r + kExp[i];
  // 2^k: its exponent from the last bits.
  return sum * std::bit_cast<double>((std::bit_cast<std::uint64_t>(shifted) + 1023) << 52);
}

// Of a normal positive x.
inline double log(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const std::uint64_t scaled = bits - kRootHalf;
  const auto mantissa =
      std::bit_cast<double>(bits - (scaled & kExponent));  // in [sqrt 1/2, sqrt 2)
  const double k = std::bit_cast<double>(std::bit_cast<std::uint64_t>(kTwo52) |
                                         ((scaled + kExponentBias) >> 52)) -
                   (kTwo52 + 1024);
  const double f = mantissa - 1, s = f / (f + 2), z = s * s;
  double sum = kAtanh[0];
  for (std::size_t i = 1; i < std::size(kAtanh); ++i) sum = sum * z + kAtanh[i];
  return k * kLn2High + (2 * s * sum + k * kLn2Low);
}

}  // namespace merganser::exp_log
