#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

template <class T>
class EuclideanAddDifference : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(EuclideanAddDifference, Types);

Settings with(double alpha) {
  return settings_of("euclidean_add_difference", {{"alpha", alpha}}, {{}, {}});
}

// meh's steps, on vectors.
template <class T>
std::vector<Exact> reference(const std::vector<T>& a, const std::vector<T>& b,
                             const std::vector<T>& c, Exact alpha) {
  const auto norm = [](const std::vector<Exact>& x) {
    Exact sum = 0;
    for (const Exact v : x) sum += v * v;
    return std::sqrt(sum);
  };
  const std::size_t n = a.size();
  std::vector<Exact> da(n), db(n), sum(n), distance(n), out(n);
  for (std::size_t i = 0; i < n; ++i) {
    da[i] = Exact{a[i]} - c[i];
    db[i] = Exact{b[i]} - c[i];
    sum[i] = (1 - alpha) * da[i] + alpha * db[i];
  }
  const Exact na = norm(da), nb = norm(db);
  for (std::size_t i = 0; i < n; ++i) {
    const Exact ua = na == 0 ? 0 : da[i] / na, ub = nb == 0 ? 0 : db[i] / nb;
    distance[i] = std::copysign(std::sqrt((1 - alpha) * ua * ua + alpha * ub * ub), sum[i]);
  }
  const Exact length = norm(distance), target = norm(sum);
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = c[i] + (length == 0 ? 0 : distance[i] / length * target);
  }
  return out;
}

TYPED_TEST(EuclideanAddDifference, WrittenOut) {
  using T = TypeParam;
  // Differences (3, 0) and (0, 3): their sum's half has the length sqrt(4.5), along the diagonal.
  const auto y = merge_one<T>("euclidean_add_difference", {{1, 2}, {{4, 2}, {1, 5}}, with(0.5)});
  EXPECT_NEAR(y[0], 2.5, 1e-6);
  EXPECT_NEAR(y[1], 3.5, 1e-6);
  // Differences (2, 0) and (0, -4) at 1/4: roots (sqrt 3/4, -sqrt 1/4), length of (1.5, -1).
  const auto z = merge_one<T>("euclidean_add_difference", {{0, 0}, {{2, 0}, {0, -4}}, with(0.25)});
  EXPECT_NEAR(z[0], std::sqrt(0.75 * 3.25), 1e-6);
  EXPECT_NEAR(z[1], -std::sqrt(0.25 * 3.25), 1e-6);
}

TYPED_TEST(EuclideanAddDifference, WithoutDifferences) {
  using T = TypeParam;
  const char* method = "euclidean_add_difference";
  EXPECT_EQ(merge_one<T>(method, {{}, {{}, {}}, with(0.5)}), std::vector<T>{});
  EXPECT_EQ(merge_one<T>(method, {{1, 2}, {{1, 2}, {1, 2}}, with(0.5)}), (std::vector<T>{1, 2}));
  // Of one difference alone: its share.
  EXPECT_EQ(merge_one<T>(method, {{1, 2}, {{1, 2}, {5, 2}}, with(0.25)}), (std::vector<T>{2, 2}));
  EXPECT_EQ(merge_one<T>(method, {{1}, {{5}, {1}}, with(0.25)}), std::vector<T>{4});
  // Opposite ones cancel.
  EXPECT_EQ(merge_one<T>(method, {{0, 0}, {{2, 2}, {-2, -2}}, with(0.5)}), (std::vector<T>{0, 0}));
}

TYPED_TEST(EuclideanAddDifference, EqualsReference) {
  using T = TypeParam;
  for (const std::size_t n : odd_sizes()) {
    const auto c = normal<T>(n, 1), a = tuned(c, 2, 0.3), b = tuned(c, 3, 0.1);
    for (const double alpha : {0.3, 0.8}) {
      const auto expected = reference(a, b, c, alpha);
      std::vector<Term> terms(n);
      for (std::size_t i = 0; i < n; ++i) {
        terms[i].add(expected[i]);
        // A difference is rounded as its terms are, then multiplied by at most the ratio of the two
        // lengths, 3.
        terms[i].size += 3 * (std::abs(a[i]) + std::abs(b[i]) + std::abs(c[i]));
      }
      // Differences, unit vectors, squares, shares, a sum, a root, a factor, a sum. Signs of sums
      // that nearly cancel: none in these numbers.
      expect_rounded(merge_one<T>("euclidean_add_difference", {c, {a, b}, with(alpha)}), terms, 12);
    }
  }
}

TEST(EuclideanAddDifferenceOutline, CopiesAtBothEnds) {
  const Descriptor& method = require_method("euclidean_add_difference");
  EXPECT_EQ(outline_of(method, with(0)).copy, 0u);
  EXPECT_EQ(outline_of(method, with(1)).copy, 1u);
  EXPECT_EQ(outline_of(method, with(0.5)).sweeps, 2u);
}

}  // namespace
}  // namespace merganser::test
