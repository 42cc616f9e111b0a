#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

template <class T>
class SimilarityAddDifference : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SimilarityAddDifference, Types);

Settings with(double alpha, double beta) {
  return settings_of("similarity_add_difference", {{"alpha", alpha}, {"beta", beta}}, {{}, {}});
}

TYPED_TEST(SimilarityAddDifference, WrittenOut) {
  using T = TypeParam;
  // A and B equal, opposite, at a half, both zero; all added would be A + (B - C) / 2.
  const std::vector<T> a = {4, 4, 4, 0}, b = {4, -4, 2, 0}, c = {2, 2, 2, 2};
  // Alike 1, 0, 3/4, 1: 4; 4 - 3; (4 + 3 * 3.5) / 4; 0.
  EXPECT_EQ(merge_one<T>("similarity_add_difference", {c, {a, b}, with(0.5, 1)}),
            (std::vector<T>{4, 1, 3.625, 0}));
  EXPECT_EQ(merge_one<T>("similarity_add_difference", {c, {a, b}, with(0.5, 0)}),
            (std::vector<T>{5, 1, 4, -1}));
  EXPECT_EQ(merge_one<T>("similarity_add_difference", {{}, {{}, {}}, with(1, 1)}),
            std::vector<T>{});
}

TYPED_TEST(SimilarityAddDifference, EqualsReference) {
  using T = TypeParam;
  for (const std::size_t n : odd_sizes()) {
    const auto c = normal<T>(n, 1), a = tuned(c, 2, 0.3), b = tuned(c, 3, 0.8);
    for (const double alpha : {0.7, -0.4}) {
      std::vector<Term> terms(n);
      for (std::size_t i = 0; i < n; ++i) {
        const Exact most = std::max(std::abs(a[i]), std::abs(b[i])), al = alpha;
        const Exact s = (Exact{a[i]} * b[i] / (most * most) + 1) / 2 * 0.6L;
        const Exact added = a[i] + al * (Exact{b[i]} - c[i]);
        const Exact mean = (1 - al / 2) * a[i] + al / 2 * b[i];
        terms[i].add((1 - s) * added + s * mean);
        terms[i].size = std::abs(a[i]) + std::abs(al * b[i]) + std::abs(al * c[i]);
        terms[i].size += std::abs((1 - al / 2) * a[i]) + std::abs(al / 2 * b[i]);
      }
      // Two quotients, a product, a sum, beta; 1 - s; those of the two sums; products and a sum.
      expect_rounded(merge_one<T>("similarity_add_difference", {c, {a, b}, with(alpha, 0.6)}),
                     terms, 12);
    }
  }
}

TEST(SimilarityAddDifferenceOutline, CopiesTheFirstModelAtZero) {
  const Descriptor& method = require_method("similarity_add_difference");
  EXPECT_EQ(outline_of(method, with(0, 1)).copy, 0u);
  EXPECT_EQ(outline_of(method, with(1, 1)).sweeps, 1u);
}

}  // namespace
}  // namespace merganser::test
