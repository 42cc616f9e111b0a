#include <gtest/gtest.h>

#include "methods/parts/dare_testing.h"
#include "methods/testing.h"

namespace merganser::test {
namespace {

template <class T>
class DareLinear : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(DareLinear, Types);

Settings given(const std::vector<double>& w, const std::vector<double>& density,
               const DareOptions& options = {}) {
  return dare_settings("dare_linear", w, density, options);
}

TYPED_TEST(DareLinear, WrittenOut) {
  using T = TypeParam;
  // Density 1: task arithmetic.
  EXPECT_EQ(merge_one<T>("dare_linear", {{1, 2}, {{3, 2}, {1, 6}}, given({1, 0.5}, {1, 1})}),
            (std::vector<T>{3, 4}));
  EXPECT_EQ(merge_one<T>("dare_linear",
                         {{1, 2}, {{3, 2}, {1, 6}}, given({1, 3}, {1, 1}, {.normalize = true})}),
            (std::vector<T>{1.5, 5}));
  // Density 0: the base.
  EXPECT_EQ(merge_one<T>("dare_linear", {{1, 2}, {{3, 2}}, given({1}, {0})}),
            (std::vector<T>{1, 2}));
  EXPECT_EQ(merge_one<T>("dare_linear", {{1, 2}, {{3, 2}}, given({1}, {0}, {.inverse = true})}),
            (std::vector<T>{1, 2}));
  EXPECT_EQ(merge_one<T>("dare_linear", {{}, {{}}, given({1}, {0.5})}), std::vector<T>{});
  EXPECT_EQ(merge_one<T>("dare_linear", {{0, 0}, {{0, 0}}, given({1}, {0.5})}),
            (std::vector<T>{0, 0}));
}

TYPED_TEST(DareLinear, EqualsReferenceGivenTheMask) {
  using T = TypeParam;
  const std::vector<double> w = {0.7, -0.2, 1.1}, density = {0.3, 0.5, 0.9};
  for (const std::size_t n : odd_sizes()) {
    for (const DareOptions& options : {DareOptions{},
                                       {.rescale = false},
                                       {.inverse = true},
                                       {.lambda = 0.3, .normalize = true}}) {
      SCOPED_TRACE(n);
      const auto made = dare_tensor<T>(n, given(w, density, options));
      std::vector<Term> terms(n);
      for (std::size_t i = 0; i < n; ++i) terms[i].add(made.base[i]);
      Exact divisor = options.normalize ? Exact{w[0]} + w[1] + w[2] : 1;
      for (std::size_t m = 0; m < w.size(); ++m) {
        const auto d = rescaled(made, m, density[m], 77, options);
        for (std::size_t i = 0; i < n; ++i) terms[i].add(options.lambda * w[m] / divisor * d[i]);
      }
      // A coefficient's rounding, a product, three sums; in f64 the L1 norms (sums of n terms in
      // blocks) and the coefficient's four operations as well.
      expect_rounded(merge_one<T>("dare_linear", made, 77), terms,
                     std::is_same_v<T, float> ? 8 : 40);
    }
  }
}

// The mask as the output shows it: base 0, delta 1, no rescaling.
std::vector<float> mask_of(std::size_t n, double density, const std::string& name,
                           std::uint64_t seed) {
  const DareOptions plain{.rescale = false};
  return merge_one<float>(
      "dare_linear",
      {std::vector<float>(n), {std::vector<float>(n, 1)}, given({1}, {density}, plain), name},
      seed);
}

TEST(DareMask, KeepsTheShare) {
  const std::size_t n = 200000;
  for (const double p : {0.001, 0.1, 0.5, 0.9, 0.999}) {
    for (const std::uint64_t seed : {0u, 1u, 2u}) {
      const auto mask = mask_of(n, p, "w", seed);
      const double kept = std::accumulate(mask.begin(), mask.end(), 0.0);
      EXPECT_NEAR(kept, p * n, 5 * std::sqrt(n * p * (1 - p))) << p;
    }
  }
}

TEST(DareMask, IsAnotherForEachSeedTensorAndModel) {
  const std::size_t n = 20000;
  const auto first = mask_of(n, 0.5, "w", 0);
  // Independent masks agree in half of the places, within 5 sigma.
  const auto expect_independent = [&](const std::vector<float>& other) {
    std::size_t same = 0;
    for (std::size_t i = 0; i < n; ++i) same += first[i] == other[i];
    EXPECT_NEAR(static_cast<double>(same), n / 2.0, 5 * std::sqrt(n / 4.0));
  };
  expect_independent(mask_of(n, 0.5, "w", 1));
  expect_independent(mask_of(n, 0.5, "v", 0));
  // The second model, alone with a weight.
  expect_independent(
      merge_one<float>("dare_linear", {std::vector<float>(n),
                                       {std::vector<float>(n), std::vector<float>(n, 1)},
                                       given({0, 1}, {0.5, 0.5}, {.rescale = false})}));
  EXPECT_EQ(mask_of(n, 0.5, "w", 0), first);
}

TEST(DareMask, AMaskDoesNotDependOnTheOtherModels) {
  const std::size_t n = 5000;
  const auto alone = mask_of(n, 0.5, "w", 0);
  const auto beside =
      merge_one<float>("dare_linear", {std::vector<float>(n),
                                       {std::vector<float>(n, 1), std::vector<float>(n)},
                                       given({1, 1}, {0.5, 0.5}, {.rescale = false})});
  EXPECT_EQ(beside, alone);
}

TEST(DareExpectation, IsTheWholeDelta) {
  // Mean over seeds of the inverse rescaling is d; its variance is d^2 (1-p)/p.
  const std::size_t n = 300, seeds = 400;
  const double p = 0.3;
  const auto d = normal<float>(n, 3);
  std::vector<double> mean(n);
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const auto out = merge_once<float>(
        "dare_linear", {{std::vector<float>(n), {d}, given({1}, {p}, {.inverse = true})}},
        {.seed = seed})[0];
    for (std::size_t i = 0; i < n; ++i) mean[i] += out[i] / static_cast<double>(seeds);
  }
  for (std::size_t i = 0; i < n; ++i) {
    EXPECT_NEAR(mean[i], d[i], 5 * std::abs(d[i]) * std::sqrt((1 - p) / p / seeds));
  }
}

TEST(DareRescale, L1RestoresTheNorm) {
  const auto made = dare_tensor<double>(5000, given({1}, {0.3}), 1);
  const auto out = merge_one<double>("dare_linear", made, 5);
  Exact whole = 0, rest = 0;
  for (std::size_t i = 0; i < 5000; ++i) {
    whole += std::abs(made.models[0][i] - made.base[i]);
    rest += std::abs(Exact{out[i]} - made.base[i]);
  }
  EXPECT_NEAR(static_cast<double>(rest / whole), 1, 1e-12);
}

TEST(DareLinearOutline, CountsSweepsAndReads) {
  const Descriptor& method = require_method("dare_linear");
  EXPECT_EQ(outline_of(method, given({1}, {0.5})).sweeps, 2u);
  EXPECT_EQ(outline_of(method, given({1}, {0.5}, {.inverse = true})).sweeps, 1u);
  EXPECT_EQ(outline_of(method, given({1}, {0.5}, {.rescale = false})).sweeps, 1u);
  EXPECT_EQ(outline_of(method, given({0, 1}, {0.5, 1})).reads, (std::vector<bool>{false, true}));
  EXPECT_EQ(outline_of(method, given({0}, {0.5})).copy, Outline::kCopyBase);
}

}  // namespace
}  // namespace merganser::test
