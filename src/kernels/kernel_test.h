// What the kernels' tests share: every instruction set of the machine, all small sizes, awkward
// values at awkward addresses.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "kernels/target.h"

namespace merganser {

template <class Check>
void on_every_target(Check check) {
  for (const std::string& target : simd_targets()) {
    SCOPED_TRACE(target);
    ASSERT_TRUE(force_simd_target(target));
    check();
  }
  force_simd_target("");
}

inline std::vector<std::size_t> test_sizes() {
  std::vector<std::size_t> sizes;
  for (std::size_t n = 0; n <= 140; ++n) sizes.push_back(n);
  for (const std::size_t n : {511, 1024, 1037, 2048, 4099}) sizes.push_back(n);
  return sizes;
}

// Equal bits; but any NaN equals any NaN: which payload survives an operation is not defined.
template <class T>
bool same(T a, T b) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  return std::bit_cast<Bits>(a) == std::bit_cast<Bits>(b) || (a != a && b != b);
}

template <class T>
::testing::AssertionResult same(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return ::testing::AssertionFailure() << "sizes differ";
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!same(a[i], b[i])) {
      return ::testing::AssertionFailure() << "element " << i << ": " << a[i] << ", " << b[i];
    }
  }
  return ::testing::AssertionSuccess();
}

enum class Values { ordinary, special };

// Normally distributed; `special`: with zeros, infinities, NaN, subnormals and extremes among them.
template <class T>
std::vector<T> test_values(std::size_t n, unsigned seed, Values kind = Values::ordinary) {
  using Limits = std::numeric_limits<T>;
  const T specials[] = {T{0},
                        -T{0},
                        Limits::infinity(),
                        -Limits::infinity(),
                        Limits::max(),
                        -Limits::max(),
                        Limits::denorm_min(),
                        -Limits::denorm_min(),
                        Limits::min(),
                        T{1},
                        -T{1},
                        Limits::quiet_NaN()};
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(n);
  for (T& x : values) {
    x = static_cast<T>(normal(generator));
    if (kind == Values::special && generator() % 3 == 0) x = specials[generator() % 12];
  }
  return values;
}

}  // namespace merganser
