// For the tests of ranks: rows of many kinds, and their ranks by a stable sort.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "kernels/kernel_test.h"

namespace merganser {

template <class T>
struct RankDistribution {
  const char* name;
  std::function<std::vector<T>(std::size_t)> make;
};

template <class T>
std::vector<RankDistribution<T>> rank_distributions() {
  const auto each = [](auto change) {
    return [change](std::size_t n) {
      std::vector<T> x = test_values<T>(n, static_cast<unsigned>(n) + 4);
      for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<T>(change(x[i], i));
      return x;
    };
  };
  const auto tiny = std::numeric_limits<T>::denorm_min();
  return {
      {"normal", each([](T x, std::size_t) { return x / 1000; })},
      {"special", [](std::size_t n) { return test_values<T>(n, 5, Values::special); }},
      {"few values", each([](T x, std::size_t) { return std::round(x * 2); })},
      {"stored in 16 bits", each([](T x, std::size_t) { return std::round(x * 40) / 4096; })},
      {"zeros", each([](T, std::size_t i) { return i % 2 != 0 ? 0.0 : -0.0; })},
      {"mostly zeros", each([](T x, std::size_t i) { return i % 9 == 7 ? x : 0; })},
      {"equal", each([](T x, std::size_t) { return x < 0 ? -0.5 : 0.5; })},
      {"ascending", each([](T, std::size_t i) { return static_cast<T>(i + 1) / 7; })},
      {"descending", each([](T, std::size_t i) { return T{1} / static_cast<T>(i + 1); })},
      {"many octaves", each([](T x, std::size_t) { return std::exp2(20 * x); })},
      {"outliers", each([](T x, std::size_t i) { return i % 97 == 5 ? x * 1e20 : x; })},
      {"denormals", each([tiny](T x, std::size_t) { return std::round(x * 9) * tiny; })},
  };
}

// Ranks of magnitudes, from 1; ties by index.
template <class T>
std::vector<std::uint32_t> sorted_ranks(const std::vector<T>& x) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  const auto magnitude = [&](std::uint32_t i) { return std::bit_cast<Bits>(x[i]) << 1; };
  std::vector<std::uint32_t> order(x.size()), ranks(x.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return magnitude(a) < magnitude(b); });
  for (std::size_t place = 0; place < x.size(); ++place) {
    ranks[order[place]] = static_cast<std::uint32_t>(place + 1);
  }
  return ranks;
}

}  // namespace merganser
