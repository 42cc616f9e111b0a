// For tests: the discrete Fourier transform by its definition.
#pragma once

#include <cmath>
#include <complex>
#include <cstddef>
#include <numbers>
#include <vector>

namespace merganser::test {

using ExactComplex = std::complex<long double>;

inline std::vector<ExactComplex> slow_transform(const std::vector<ExactComplex>& x, int sign = -1) {
  const std::size_t n = x.size();
  std::vector<ExactComplex> out(n);
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t j = 0; j < n; ++j) {
      const long double turns = static_cast<long double>(j * k % n) / static_cast<long double>(n);
      out[k] += x[j] * std::polar(1.0L, sign * 2 * std::numbers::pi_v<long double> * turns);
    }
  }
  return out;
}

}  // namespace merganser::test
