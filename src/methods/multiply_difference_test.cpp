#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

template <class T>
class MultiplyDifference : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(MultiplyDifference, Types);

Settings with(double alpha, double beta) {
  return settings_of("multiply_difference", {{"alpha", alpha}, {"beta", beta}}, {{}, {}});
}

TYPED_TEST(MultiplyDifference, WrittenOut) {
  using T = TypeParam;
  // Differences 4 and 9, -4 and 9, 0 and 9, -4 and -9.
  const std::vector<T> c = {1, 1, 1, 1}, a = {5, -3, 1, -3}, b = {10, 10, 10, -8};
  EXPECT_EQ(merge_one<T>("multiply_difference", {c, {a, b}, with(0.5, 0.5)}),
            (std::vector<T>{7, 7, 1, -5}));
  // The sign is A's.
  EXPECT_EQ(merge_one<T>("multiply_difference", {c, {a, b}, with(0.5, 0)}),
            (std::vector<T>{7, -5, 1, -5}));
  // Only the size of one of them; nothing to the power of 0 is 1.
  EXPECT_EQ(merge_one<T>("multiply_difference", {c, {a, b}, with(0, 0)}), a);
  EXPECT_EQ(merge_one<T>("multiply_difference", {c, {a, b}, with(1, 1)}), b);
  EXPECT_EQ(merge_one<T>("multiply_difference", {{}, {{}, {}}, with(0.5, 0.5)}), std::vector<T>{});
  EXPECT_EQ(merge_one<T>("multiply_difference", {{0}, {{0}, {0}}, with(0.5, 0.5)}),
            std::vector<T>{0});
}

TYPED_TEST(MultiplyDifference, EqualsReference) {
  using T = TypeParam;
  for (const std::size_t n : odd_sizes()) {
    const auto c = normal<T>(n, 1), a = tuned(c, 2, 0.3), b = tuned(c, 3, 0.2);
    for (const double alpha : {0.3, 0.9}) {
      std::vector<Term> terms(n);
      for (std::size_t i = 0; i < n; ++i) {
        // Differences as T has them: their relative rounding is what counts in a product.
        const Exact da = a[i] - c[i], db = b[i] - c[i];
        const Exact mean = std::pow(std::abs(da), 1 - Exact{alpha}) * std::pow(std::abs(db), alpha);
        terms[i].add(c[i]);
        terms[i].add(std::copysign(mean, 0.25L * da + 0.75L * db));
      }
      // The powers, one of them by a rounded exponent (times a logarithm of 10 at most), a product,
      // a sum.
      expect_rounded(merge_one<T>("multiply_difference", {c, {a, b}, with(alpha, 0.75)}), terms,
                     std::is_same_v<T, float> ? 3 : 24);
    }
  }
}

}  // namespace
}  // namespace merganser::test
