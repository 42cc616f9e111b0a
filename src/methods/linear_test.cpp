#include <gtest/gtest.h>

#include "base/testing.h"
#include "methods/testing.h"

namespace merganser::test {
namespace {

template <class T>
class Linear : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Linear, Types);

Settings given(const std::vector<double>& w, bool normalize = true) {
  return settings_of("linear", {{"normalize", normalize}}, weights(w));
}

TYPED_TEST(Linear, WrittenOut) {
  using T = TypeParam;
  const std::vector<std::vector<T>> models = {{1, 2, -4}, {3, -2, 8}};
  EXPECT_EQ(merge_one<T>("linear", {{}, models, given({1, 1})}), (std::vector<T>{2, 0, 2}));
  EXPECT_EQ(merge_one<T>("linear", {{}, models, given({3, 1})}), (std::vector<T>{1.5, 1, -1}));
  EXPECT_EQ(merge_one<T>("linear", {{}, models, given({0.5, 2}, false)}),
            (std::vector<T>{6.5, -3, 14}));
  // Negative weights subtract: (2 x0 - x1) / 1.
  EXPECT_EQ(merge_one<T>("linear", {{}, models, given({2, -1})}), (std::vector<T>{-1, 6, -16}));
  EXPECT_EQ(merge_one<T>("linear", {{}, {{}, {}}, given({1, 2})}), std::vector<T>{});
  EXPECT_EQ(merge_one<T>("linear", {{}, {{0, 0}, {0, 0}}, given({1, 2})}), (std::vector<T>{0, 0}));
  EXPECT_EQ(merge_one<T>("linear", {{}, {{3, 5}}, given({2}, false)}), (std::vector<T>{6, 10}));
}

TYPED_TEST(Linear, EqualsReference) {
  using T = TypeParam;
  const std::vector<double> w = {0.7, -0.3, 1.9};
  for (const bool normalize : {true, false}) {
    for (const std::size_t n : odd_sizes()) {
      std::vector<std::vector<T>> models;
      for (unsigned m = 0; m < 3; ++m) models.push_back(normal<T>(n, 10 + m));
      std::vector<Term> terms(n);
      const Exact sum = normalize ? Exact{w[0]} + w[1] + w[2] : 1;
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t m = 0; m < 3; ++m) terms[i].add(w[m] / sum * models[m][i]);
      }
      // A coefficient is rounded to T, then one product and two sums: 4; the weights' own sum and
      // quotient in f64 are 3 more where T is double.
      expect_rounded(merge_one<T>("linear", {{}, models, given(w, normalize)}), terms, 7);
    }
  }
}

TYPED_TEST(Linear, TakesShapesOfAnyRank) {
  using T = TypeParam;
  for (const Shape& shape : {Shape{3, 5, 7}, Shape{1, 105}, Shape{105, 1}}) {
    const auto a = normal<T>(105, 1), b = normal<T>(105, 2);
    std::vector<Term> terms(105);
    for (std::size_t i = 0; i < 105; ++i) {
      terms[i].add(Exact{a[i]} / 2);
      terms[i].add(Exact{b[i]} / 2);
    }
    expect_rounded(merge_one<T>("linear", {{}, {a, b}, given({1, 1}), "w", shape}), terms, 3);
  }
}

TYPED_TEST(Linear, LeavesOutZeroWeights) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  // 0 * NaN would be NaN: the model is not read.
  EXPECT_EQ(merge_one<T>("linear", {{}, {{2}, {nan}, {4}}, given({1, 0, 1})}), std::vector<T>{3});
  // No model left: a sum of nothing.
  EXPECT_EQ(merge_one<T>("linear", {{}, {{nan}, {nan}}, given({0, 0}, false)}), std::vector<T>{0});
}

TEST(LinearOutline, CopiesTheOnlyModelWithAWeight) {
  const Descriptor& linear = require_method("linear");
  EXPECT_EQ(outline_of(linear, given({1, 0})).copy, 0u);
  EXPECT_EQ(outline_of(linear, given({0, 0.3})).copy, 1u);
  EXPECT_EQ(outline_of(linear, given({0, -2})).copy, 1u);  // -2/-2
  EXPECT_EQ(outline_of(linear, given({0, 1}, false)).copy, 1u);
  EXPECT_EQ(outline_of(linear, given({0, 0.3}, false)).copy, Outline::kNoCopy);
  EXPECT_EQ(outline_of(linear, given({1, 1})).copy, Outline::kNoCopy);
  EXPECT_EQ(outline_of(linear, given({1, 0, 2})).reads, (std::vector<bool>{true, false, true}));
  EXPECT_EQ(outline_of(linear, given({1, 0})).reads, (std::vector<bool>{true, false}));
  // Bit for bit: what no arithmetic would keep.
  const float odd = std::bit_cast<float>(0xFFA12345u);
  EXPECT_TRUE(same_bits(merge_one<float>("linear", {{}, {{odd, -0.0f}, {1, 1}}, given({1, 0})}),
                        {odd, -0.0f}));
}

TEST(LinearOutline, RefusesAWeightSumOfZero) {
  const Descriptor& linear = require_method("linear");
  for (const std::vector<double>& w : {std::vector<double>{1, -1}, {0, 0}, {0.5, 0.5, -1}}) {
    const auto error = error_of([&] { outline_of(linear, given(w)); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::recipe);
    EXPECT_FALSE(error_of([&] { outline_of(linear, given(w, false)); }));
  }
}

}  // namespace
}  // namespace merganser::test
