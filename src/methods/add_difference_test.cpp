#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

template <class T>
class AddDifference : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(AddDifference, Types);

Settings with(double alpha, bool clamp = false) {
  return settings_of("add_difference", {{"alpha", alpha}, {"clamp_to_ab", clamp}}, {{}, {}});
}

TYPED_TEST(AddDifference, WrittenOut) {
  using T = TypeParam;
  const std::vector<T> a = {1, 2, -4, 0}, b = {3, -2, 8, 1}, c = {2, 2, 0, 1};
  EXPECT_EQ(merge_one<T>("add_difference", {c, {a, b}, with(1)}), (std::vector<T>{2, -2, 4, 0}));
  EXPECT_EQ(merge_one<T>("add_difference", {c, {a, b}, with(-0.5)}),
            (std::vector<T>{0.5, 4, -8, 0}));
  EXPECT_EQ(merge_one<T>("add_difference", {{}, {{}, {}}, with(1)}), std::vector<T>{});
  EXPECT_EQ(merge_one<T>("add_difference", {{0}, {{0}, {0}}, with(1)}), std::vector<T>{0});
}

TYPED_TEST(AddDifference, ClampsBetweenAAndB) {
  using T = TypeParam;
  const std::vector<T> a = {1, 2, -4, 0}, b = {3, -2, 8, 1}, c = {2, 2, 0, 5};
  // Unclamped: 1 + 4, 2 - 16, -4 + 32, 0 - 16.
  EXPECT_EQ(merge_one<T>("add_difference", {c, {a, b}, with(4, true)}),
            (std::vector<T>{3, -2, 8, 0}));
  EXPECT_EQ(merge_one<T>("add_difference", {c, {a, b}, with(0.5, true)}),
            (std::vector<T>{1.5, 0, 0, 0}));
}

TYPED_TEST(AddDifference, EqualsReference) {
  using T = TypeParam;
  for (const std::size_t n : odd_sizes()) {
    const auto c = normal<T>(n, 1), a = tuned(c, 2, 0.3), b = tuned(c, 3, 0.2);
    for (const double alpha : {0.3, 1.0, -1.7}) {
      std::vector<Term> terms(n);
      for (std::size_t i = 0; i < n; ++i) {
        terms[i].add(a[i]);
        terms[i].add(alpha * Exact{b[i]});
        terms[i].add(-alpha * Exact{c[i]});
      }
      // alpha rounded to T, a difference, a product, a sum.
      expect_rounded(merge_one<T>("add_difference", {c, {a, b}, with(alpha)}), terms, 4);
      for (std::size_t i = 0; i < n; ++i) {
        const Exact low = std::min(a[i], b[i]), high = std::max(a[i], b[i]);
        terms[i].value = std::clamp(terms[i].value, low, high);
      }
      expect_rounded(merge_one<T>("add_difference", {c, {a, b}, with(alpha, true)}), terms, 4);
    }
  }
}

TEST(AddDifferenceOutline, CopiesTheFirstModelAtZero) {
  const Descriptor& method = require_method("add_difference");
  EXPECT_EQ(outline_of(method, with(0)).copy, 0u);
  EXPECT_EQ(outline_of(method, with(0, true)).copy, 0u);
  const Outline outline = outline_of(method, with(1));
  EXPECT_EQ(outline.copy, Outline::kNoCopy);
  EXPECT_EQ(outline.sweeps, 1u);
  // The default is sd-mecha's.
  EXPECT_EQ(settings_of("add_difference", {}, {{}, {}}).number("alpha"), 1);
}

}  // namespace
}  // namespace merganser::test
