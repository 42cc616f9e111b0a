#include <gtest/gtest.h>

#include "methods/parts/dare_testing.h"
#include "methods/testing.h"

namespace merganser::test {
namespace {

template <class T>
class DareTies : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(DareTies, Types);

Settings given(const std::vector<double>& w, const std::vector<double>& density,
               const DareOptions& options = {}) {
  return dare_settings("dare_ties", w, density, options);
}

TYPED_TEST(DareTies, WrittenOut) {
  using T = TypeParam;
  // Density 1: election and sum, no mean by default. Votes 2, 3 and 0 -> +.
  const std::vector<std::vector<T>> models = {{4, -1, 2, 0}, {-2, 4, -2, 0}};
  EXPECT_EQ(merge_one<T>("dare_ties", {{0, 0, 0, 0}, models, given({1, 1}, {1, 1})}),
            (std::vector<T>{4, 4, 2, 0}));
  EXPECT_EQ(merge_one<T>("dare_ties", {{1, 1, 1, 1},
                                       {{4, 1, 1, 1}, {6, 1, 1, 1}},
                                       given({1, 3}, {1, 1}, {.normalize = true})}),
            (std::vector<T>{5.5, 1, 1, 1}));  // 1 + (3 + 3 * 5) / 4
  EXPECT_EQ(merge_one<T>("dare_ties", {{1, 2}, {{3, 2}}, given({1}, {0})}), (std::vector<T>{1, 2}));
  EXPECT_EQ(merge_one<T>("dare_ties", {{}, {{}}, given({1}, {0.5})}), std::vector<T>{});
}

TYPED_TEST(DareTies, EqualsReferenceGivenTheMask) {
  using T = TypeParam;
  const std::vector<double> w = {0.7, -0.2, 1.1}, density = {0.3, 0.5, 0.9};
  for (const std::size_t n : odd_sizes()) {
    for (const DareOptions& options : {DareOptions{},
                                       {.rescale = false},
                                       {.inverse = true},
                                       {.lambda = 0.3, .normalize = true}}) {
      SCOPED_TRACE(n);
      const auto made = dare_tensor<T>(n, given(w, density, options));
      std::vector<std::vector<Exact>> d;
      for (std::size_t m = 0; m < w.size(); ++m) {
        d.push_back(rescaled(made, m, density[m], 77, options));
        for (Exact& x : d.back()) x *= w[m];
      }
      std::vector<Term> terms(n);
      for (std::size_t i = 0; i < n; ++i) {
        const bool positive = d[0][i] + d[1][i] + d[2][i] >= 0;
        Exact divisor = 0;
        for (std::size_t m = 0; m < 3; ++m) {
          if (positive ? d[m][i] > 0 : d[m][i] < 0) divisor += w[m];
        }
        if (!options.normalize || divisor == 0) divisor = 1;
        terms[i].add(made.base[i]);
        for (std::size_t m = 0; m < 3; ++m) {
          if (positive ? d[m][i] > 0 : d[m][i] < 0)
            terms[i].add(options.lambda * d[m][i] / divisor);
        }
      }
      // As TIES.
      expect_rounded(merge_one<T>("dare_ties", made, 77), terms,
                     std::is_same_v<T, float> ? 12 : 60);
    }
  }
}

TYPED_TEST(DareTies, MajorityOverTheDroppedDeltas) {
  using T = TypeParam;
  // Two opposite models: every vote of two kept entries is tied, and at density 1 all are. Three
  // clear negative votes decide.
  std::vector<T> a(9, 1), b(9, -1);
  for (std::size_t i = 0; i < 3; ++i) a[i] = -1;
  Settings settings = given({1, 1}, {1, 1});
  settings.shared["zero_sign"] = std::string("majority");
  std::vector<T> wanted(9, -1);
  for (std::size_t i = 0; i < 3; ++i) wanted[i] = -2;
  EXPECT_EQ(merge_one<T>("dare_ties", {std::vector<T>(9), {a, b}, settings}), wanted);
}

TYPED_TEST(DareTies, UsesTheMasksOfDareLinear) {
  using T = TypeParam;
  // One model: no vote to lose.
  const DareOptions options{.inverse = true};
  const auto elected = dare_tensor<T>(5000, given({0.5}, {0.3}, options), 1);
  auto plain = elected;
  plain.settings = dare_settings("dare_linear", {0.5}, {0.3}, options);
  const auto a = merge_one<T>("dare_ties", elected, 3), b = merge_one<T>("dare_linear", plain, 3);
  std::size_t dropped = 0;
  for (std::size_t i = 0; i < 5000; ++i) {
    EXPECT_EQ(a[i] == elected.base[i], b[i] == elected.base[i]);
    dropped += a[i] == elected.base[i];
  }
  EXPECT_NEAR(static_cast<double>(dropped), 3500, 5 * std::sqrt(5000 * 0.3 * 0.7));
}

TEST(DareTiesOutline, CountsSweeps) {
  const Descriptor& method = require_method("dare_ties");
  Settings settings = given({1}, {0.5});
  EXPECT_EQ(outline_of(method, settings).sweeps, 2u);
  settings.shared["zero_sign"] = std::string("majority");
  EXPECT_EQ(outline_of(method, settings).sweeps, 3u);
  EXPECT_EQ(outline_of(method, given({0}, {0.5})).copy, Outline::kCopyBase);
}

}  // namespace
}  // namespace merganser::test
