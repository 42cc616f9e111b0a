#include <gtest/gtest.h>

#include "base/testing.h"
#include "methods/parts/della_testing.h"

namespace merganser::test {
namespace {

template <class T>
class DellaLinear : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(DellaLinear, Types);

Settings given(const std::vector<double>& w, const std::vector<double>& density,
               const std::vector<double>& epsilon, const DellaOptions& options = {}) {
  return della_settings("della_linear", w, density, epsilon, options);
}

TYPED_TEST(DellaLinear, WrittenOut) {
  using T = TypeParam;
  // Density 1: task arithmetic. Density 0: the base. Neither asks for a fitting epsilon.
  EXPECT_EQ(merge_one<T>("della_linear",
                         {{1, 2}, {{3, 2}, {1, 6}}, given({1, 0.5}, {1, 1}, {0.15, 0.9})}),
            (std::vector<T>{3, 4}));
  EXPECT_EQ(merge_one<T>("della_linear", {{1, 2}, {{3, 2}}, given({1}, {0}, {0.15})}),
            (std::vector<T>{1, 2}));
  EXPECT_EQ(
      merge_one<T>("della_linear", {{1, 2}, {{3, 2}}, given({1}, {0}, {0.15}, {.inverse = true})}),
      (std::vector<T>{1, 2}));
  EXPECT_EQ(merge_one<T>("della_linear", {{}, {{}}, given({1}, {0.5}, {0.15})}), std::vector<T>{});
  EXPECT_EQ(merge_one<T>("della_linear", {{0, 0}, {{0, 0}}, given({1}, {0.5}, {0.15})}),
            (std::vector<T>{0, 0}));
}

TYPED_TEST(DellaLinear, EqualsReferenceGivenTheMask) {
  using T = TypeParam;
  const std::vector<double> w = {0.7, -0.2, 1.1}, density = {0.3, 0.5, 0.9},
                            epsilon = {0.15, 0.4, 0.05};
  for (const Shape& shape : della_shapes()) {
    for (const DellaOptions& options : della_variants()) {
      SCOPED_TRACE(to_string(shape));
      const auto made = shaped_tensor<T>(shape, 3, given(w, density, epsilon, options));
      expect_rounded(merge_one<T>("della_linear", made, 77),
                     della_terms(made, w, density, epsilon, 77, options, false),
                     kFusedRoundings<T>);
    }
  }
}

TYPED_TEST(DellaLinear, TiesGoByIndex) {
  using T = TypeParam;
  const std::vector<double> w = {1, 1, 1}, density = {0.5, 0.4, 0.6}, epsilon = {0.3, 0.3, 0.3};
  for (const Shape& shape : {Shape{4, 2048}, {3, 777}, {20000}}) {
    const auto made = shaped_tensor<T>(shape, 3, given(w, density, epsilon), 3, true);
    expect_rounded(merge_one<T>("della_linear", made, 5),
                   della_terms(made, w, density, epsilon, 5, {}, false), kFusedRoundings<T>);
  }
}

TYPED_TEST(DellaLinear, SomeModelsWholeOrNotAtAll) {
  using T = TypeParam;
  const std::vector<double> w = {1, 0.5, 2}, density = {1, 0.5, 0}, epsilon = {0.15, 0.2, 0.3};
  for (const DellaOptions& options : della_variants()) {
    const auto made = shaped_tensor<T>({7, 300}, 3, given(w, density, epsilon, options));
    expect_rounded(merge_one<T>("della_linear", made, 8),
                   della_terms(made, w, density, epsilon, 8, options, false), kFusedRoundings<T>);
  }
}

// Rows of one entry, and epsilon 0: what DARE keeps at the same density.
TYPED_TEST(DellaLinear, IsDareWhereRanksSayNothing) {
  using T = TypeParam;
  for (const auto& [shape, epsilon] : {std::pair<Shape, double>{{3000, 1}, 0.2}, {{10, 300}, 0}}) {
    auto made = shaped_tensor<T>(
        shape, 3, given({0.5, 2}, {0.3, 0.6}, {epsilon, epsilon}, {.rescale = false}), 2);
    const auto della = merge_one<T>("della_linear", made, 9);
    made.settings = settings_of("dare_linear", {{"rescale", false}}, weights({0.5, 2}, {0.3, 0.6}));
    EXPECT_EQ(della, merge_one<T>("dare_linear", made, 9));
  }
}

// The mask as the output shows it: every row an ascending one.
std::vector<float> mask_of(std::size_t rows, std::size_t n, double density, double epsilon,
                           std::uint64_t seed) {
  Made<float> made;
  made.base.assign(rows * n, 0);
  made.models.emplace_back(rows * n);
  for (std::size_t i = 0; i < rows * n; ++i) made.models[0][i] = static_cast<float>(i % n + 1);
  made.settings = given({1}, {density}, {epsilon}, {.rescale = false});
  made.shape = {rows, n};
  auto out = merge_one<float>("della_linear", made, seed);
  for (float& x : out) x = x != 0 ? 1 : 0;
  return out;
}

TEST(DellaMask, KeepsEachRankWithItsProbability) {
  // A rank's count over the rows is binomial: 5 standard deviations, 1 in 1.7 million; 400 ranks.
  const std::size_t rows = 4000;
  for (const std::size_t n : {2u, 5u, 100u, 300u}) {
    for (const auto& [density, epsilon] : {std::pair{0.5, 0.15}, {0.4, 0.39}, {0.9, 0.05}}) {
      const auto mask = mask_of(rows, n, density, epsilon, n);
      std::vector<double> kept(n);
      for (std::size_t i = 0; i < mask.size(); ++i) kept[i % n] += mask[i];
      double all = 0;
      for (std::size_t r = 0; r < n; ++r) {
        const double p =
            density - epsilon + 2 * epsilon * static_cast<double>(r) / static_cast<double>(n - 1);
        EXPECT_NEAR(kept[r], rows * p, 5 * std::sqrt(rows * p * (1 - p))) << r << " of " << n;
        all += kept[r];
      }
      // The mean is the density; the variance at most that of a binomial count.
      const auto size = static_cast<double>(mask.size());
      EXPECT_NEAR(all, size * density, 5 * std::sqrt(size * density * (1 - density)));
    }
  }
}

TEST(DellaMask, IsAnotherForEachSeed) {
  const auto a = mask_of(100, 200, 0.5, 0, 1), b = mask_of(100, 200, 0.5, 0, 2);
  std::size_t same = 0;
  for (std::size_t i = 0; i < a.size(); ++i) same += a[i] == b[i];
  EXPECT_NEAR(static_cast<double>(same), 10000, 5 * std::sqrt(20000 / 4.0));
  EXPECT_EQ(mask_of(100, 200, 0.5, 0, 1), a);
}

TEST(DellaExpectation, OfTheInverseIsTheWholeDelta) {
  // Mean over seeds of m d / p is d; its variance is d^2 (1-p)/p.
  const std::size_t n = 300, seeds = 400;
  const auto d = normal<float>(n, 3);
  const auto p = keep_probabilities(d, {3, 100}, 0.4, 0.3);
  Made<float> made(std::vector<float>(n), {d}, given({1}, {0.4}, {0.3}, {.inverse = true}), "w",
                   {3, 100});
  std::vector<double> mean(n);
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const auto out = merge_once<float>("della_linear", {made}, {.seed = seed})[0];
    for (std::size_t i = 0; i < n; ++i) mean[i] += out[i] / static_cast<double>(seeds);
  }
  for (std::size_t i = 0; i < n; ++i) {
    EXPECT_NEAR(mean[i], d[i], 5 * std::abs(d[i]) * std::sqrt((1 - p[i]) / p[i] / seeds));
  }
}

TEST(DellaRescale, L1RestoresTheNorm) {
  const auto made = shaped_tensor<double>({25, 200}, 3, given({1}, {0.3}, {0.15}), 1);
  const auto out = merge_one<double>("della_linear", made, 5);
  Exact whole = 0, rest = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    whole += std::abs(made.models[0][i] - made.base[i]);
    rest += std::abs(Exact{out[i]} - made.base[i]);
  }
  EXPECT_NEAR(static_cast<double>(rest / whole), 1, 1e-12);
}

TEST(DellaNaN, SurvivesNaNAndInfinity) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  auto made =
      shaped_tensor<float>({5, 1000}, 1, given({1, 1, 1}, {0.5, 0.5, 0.5}, {0.2, 0.2, 0.2}));
  for (std::size_t i = 0; i < 5000; i += 3) made.models[0][i] = nan;
  for (std::size_t i = 0; i < 5000; i += 7) made.models[1][i] = i % 2 != 0 ? inf : -inf;
  made.base[77] = nan;
  EXPECT_TRUE(std::isnan(merge_one<float>("della_linear", made)[77]));
}

TEST(DellaLinearOutline, WantsWholeRows) {
  const Descriptor& method = require_method("della_linear");
  const Outline outline = outline_of(method, given({0, 1}, {0.5, 1}, {0.1, 0.1}), {9, 4096});
  EXPECT_EQ(outline.unit, Unit::row);
  EXPECT_GT(outline.workspace, 4096u);
  EXPECT_EQ(outline.sweeps, 2u);
  EXPECT_EQ(outline.reads, (std::vector<bool>{false, true}));
  EXPECT_EQ(outline_of(method, given({1}, {0.5}, {0.1}, {.inverse = true})).sweeps, 1u);
  EXPECT_EQ(outline_of(method, given({1}, {0.5}, {0.1}, {.rescale = false})).sweeps, 1u);
  EXPECT_EQ(outline_of(method, given({0}, {0.5}, {0.1})).copy, Outline::kCopyBase);
}

TEST(DellaLinearOutline, RefusesProbabilitiesBeyondTheirRange) {
  const Descriptor& method = require_method("della_linear");
  const auto refusal = [&](double density, double epsilon) {
    const auto error = error_of([&] { outline_of(method, given({1}, {density}, {epsilon})); });
    return error ? error->message() : "";
  };
  EXPECT_EQ(refusal(0.9, 0.15),
            "della_linear: density 0.9 and epsilon 0.15 give a probability of 1.05");
  EXPECT_EQ(refusal(0.25, 0.25),
            "della_linear: density 0.25 and epsilon 0.25 give a probability of 0");
  EXPECT_NE(refusal(0.75, 0.25), "");
  EXPECT_NE(refusal(0.1, 0.15), "");
  EXPECT_EQ(refusal(0.5, 0.4999), "");
  EXPECT_EQ(refusal(1, 0.15), "");
  EXPECT_EQ(refusal(0, 0.15), "");
}

TEST(DellaLinearDefaults, AreMergeKits) {
  const Settings settings = settings_of("della_linear", {}, weights({1}));
  EXPECT_EQ(settings.number("density", 0), 1);
  EXPECT_EQ(settings.number("epsilon", 0), 0.15);
  EXPECT_FALSE(settings.flag("normalize"));
  EXPECT_TRUE(settings.flag("rescale"));
  EXPECT_EQ(settings.choice("rescale_mode"), "l1");
}

}  // namespace
}  // namespace merganser::test
