#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

template <class T>
class Clamp : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Clamp, Types);

Settings with(double stiffness, std::size_t bounds) {
  return settings_of("clamp", {{"stiffness", stiffness}}, std::vector<Settings::Table>(bounds));
}

TYPED_TEST(Clamp, WrittenOut) {
  using T = TypeParam;
  const std::vector<T> x = {0, 5, -5, 2}, p = {1, 1, 1, 1}, q = {3, 3, -3, 3};
  EXPECT_EQ(merge_one<T>("clamp", {x, {p, q}, with(0, 2)}), (std::vector<T>{1, 3, -3, 2}));
  EXPECT_EQ(merge_one<T>("clamp", {x, {q, p}, with(0, 2)}), (std::vector<T>{1, 3, -3, 2}));
  EXPECT_EQ(merge_one<T>("clamp", {{}, {{}, {}}, with(0, 2)}), std::vector<T>{});
  EXPECT_EQ(merge_one<T>("clamp", {{0}, {{0}, {0}}, with(0.5, 2)}), std::vector<T>{0});
}

TYPED_TEST(Clamp, StiffnessNarrowsToTheNeighboursOfTheMean) {
  using T = TypeParam;
  // Bounds 0, 4, 5, 11: mean 5; above it 5 and 11, below it 0, 4 and 5.
  const std::vector<std::vector<T>> bounds = {{0, 0}, {4, 4}, {5, 5}, {11, 11}};
  EXPECT_EQ(merge_one<T>("clamp", {{-9, 20}, bounds, with(1, 4)}), (std::vector<T>{5, 5}));
  EXPECT_EQ(merge_one<T>("clamp", {{-9, 20}, bounds, with(0.5, 4)}), (std::vector<T>{2.5, 8}));
  // Bounds 0, 1, 8: mean 3, neighbours 1 and 8.
  EXPECT_EQ(merge_one<T>("clamp", {{-9, 20, 4}, {{8, 8, 8}, {0, 0, 0}, {1, 1, 1}}, with(1, 3)}),
            (std::vector<T>{1, 8, 4}));
}

TYPED_TEST(Clamp, EqualsReference) {
  using T = TypeParam;
  for (const std::size_t n : odd_sizes()) {
    const auto x = normal<T>(n, 1);
    std::vector<std::vector<T>> bounds;
    for (unsigned m = 0; m < 4; ++m) bounds.push_back(normal<T>(n, 10 + m));
    for (const double stiffness : {0.0, 0.25, 1.0, 1.5}) {
      std::vector<Term> terms(n);
      for (std::size_t i = 0; i < n; ++i) {
        std::vector<T> sorted;
        T mean = 0;  // in T: whether a bound lies above it is then the same question
        for (const auto& bound : bounds) {
          sorted.push_back(bound[i]);
          mean = mean + bound[i];
        }
        mean /= 4;
        std::sort(sorted.begin(), sorted.end());
        const auto above = std::lower_bound(sorted.begin(), sorted.end(), mean);
        const auto after = std::upper_bound(sorted.begin(), sorted.end(), mean);
        const Exact s = stiffness;
        const Exact high = (1 - s) * sorted.back() + s * *above;
        const Exact low = (1 - s) * sorted.front() + s * *(after - 1);
        terms[i].add(std::min(std::max<Exact>(x[i], low), high));
        terms[i].size = 2 * std::max(std::abs(sorted.front()), std::abs(sorted.back()));
      }
      // Two factors, two products and a sum; nothing where stiffness is 0.
      expect_rounded(merge_one<T>("clamp", {x, bounds, with(stiffness, 4)}), terms,
                     stiffness == 0 ? 0 : 4);
    }
  }
}

TEST(ClampOutline, OneBoundIsCopied) {
  const Descriptor& method = require_method("clamp");
  EXPECT_EQ(outline_of(method, with(0, 1)).copy, 0u);
  EXPECT_EQ(outline_of(method, with(0, 2)).copy, Outline::kNoCopy);
}

}  // namespace
}  // namespace merganser::test
