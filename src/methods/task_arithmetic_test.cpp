#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

Settings given(const std::vector<double>& w, double lambda = 1, bool normalize = false) {
  return settings_of("task_arithmetic", {{"lambda", lambda}, {"normalize", normalize}}, weights(w));
}

template <class T>
class TaskArithmetic : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(TaskArithmetic, Types);

TYPED_TEST(TaskArithmetic, WrittenOut) {
  using T = TypeParam;
  const std::vector<T> base = {1, 2, 3};
  const std::vector<std::vector<T>> models = {{2, 2, 1}, {1, 6, 3}};
  EXPECT_EQ(merge_one<T>("task_arithmetic", {base, models, given({1, 1})}),
            (std::vector<T>{2, 6, 1}));
  EXPECT_EQ(merge_one<T>("task_arithmetic", {base, models, given({1, 1}, 0.5)}),
            (std::vector<T>{1.5, 4, 2}));
  EXPECT_EQ(merge_one<T>("task_arithmetic", {base, models, given({1, 3}, 1, true)}),
            (std::vector<T>{1.25, 5, 2.5}));
  // Forgetting.
  EXPECT_EQ(merge_one<T>("task_arithmetic", {base, models, given({-1, 1})}),
            (std::vector<T>{0, 6, 5}));
  EXPECT_EQ(merge_one<T>("task_arithmetic", {base, {{2, 2, 1}}, given({2})}),
            (std::vector<T>{3, 2, -1}));
  EXPECT_EQ(merge_one<T>("task_arithmetic", {{0, 0}, {{0, 0}}, given({2})}),
            (std::vector<T>{0, 0}));
  EXPECT_EQ(merge_one<T>("task_arithmetic", {{}, {{}, {}}, given({1, 1})}), std::vector<T>{});
}

TYPED_TEST(TaskArithmetic, EqualsReference) {
  using T = TypeParam;
  const std::vector<double> w = {0.6, -0.3, 1.7};
  for (const std::size_t n : odd_sizes()) {
    const auto base = normal<T>(n, 1);
    std::vector<std::vector<T>> models;
    for (unsigned m = 0; m < 3; ++m) models.push_back(tuned(base, 10 + m));
    for (const bool normalize : {false, true}) {
      const Exact divisor = normalize ? Exact{w[0]} + w[1] + w[2] : 1;
      std::vector<Term> terms(n);
      for (std::size_t i = 0; i < n; ++i) terms[i].add(base[i]);
      for (std::size_t m = 0; m < 3; ++m) {
        const auto d = delta(models[m], base);  // rounded to T here and there
        for (std::size_t i = 0; i < n; ++i) terms[i].add(Exact{0.7} * w[m] / divisor * d[i]);
      }
      // A coefficient (three operations in f64, one rounding to T), a product, three sums.
      expect_rounded(merge_one<T>("task_arithmetic", {base, models, given(w, 0.7, normalize)}),
                     terms, 8);
    }
  }
}

TYPED_TEST(TaskArithmetic, TakesShapesOfAnyRank) {
  using T = TypeParam;
  const auto base = normal<T>(105, 1), model = tuned(base, 2);
  const auto d = delta(model, base);
  for (const Shape& shape : {Shape{3, 5, 7}, Shape{1, 105}, Shape{105, 1}}) {
    std::vector<Term> terms(105);
    for (std::size_t i = 0; i < 105; ++i) {
      terms[i].add(base[i]);
      terms[i].add(Exact{0.4} * d[i]);
    }
    expect_rounded(merge_one<T>("task_arithmetic", {base, {model}, given({0.4}), "w", shape}),
                   terms, 3);
  }
}

TYPED_TEST(TaskArithmetic, ATinyWeightSumDoesNotDivide) {
  using T = TypeParam;
  // 1 - 1 = 0 and 1e-9 are below 1e-8: divided by 1 (MergeKit). 2^-20 is not.
  EXPECT_EQ(merge_one<T>("task_arithmetic", {{1}, {{2}, {4}}, given({1, -1}, 1, true)}),
            std::vector<T>{-1});
  const double tiny = 0x1p-30, small = 0x1p-20;
  EXPECT_EQ(merge_one<T>("task_arithmetic", {{0}, {{2}}, given({tiny}, 1, true)}),
            std::vector<T>{static_cast<T>(2 * tiny)});
  EXPECT_EQ(merge_one<T>("task_arithmetic", {{0}, {{2}}, given({small}, 1, true)}),
            std::vector<T>{2});
}

TYPED_TEST(TaskArithmetic, IgnoresWhatMergeKitIgnores) {
  using T = TypeParam;
  const auto base = normal<T>(500, 1), model = tuned(base, 2);
  Settings settings = given({0.4});
  const auto plain = merge_one<T>("task_arithmetic", {base, {model}, settings});
  settings.per_input[0]["density"] = 0.1;
  settings.shared["rescale"] = true;
  settings.shared["int8_mask"] = true;
  EXPECT_TRUE(same_bits(merge_one<T>("task_arithmetic", {base, {model}, settings}), plain));
}

TEST(TaskArithmeticOutline, ZeroWeightsAreNotRead) {
  const Descriptor& method = require_method("task_arithmetic");
  EXPECT_EQ(outline_of(method, given({0, 0})).copy, Outline::kCopyBase);
  EXPECT_EQ(outline_of(method, given({1, 2}, 0)).copy, Outline::kCopyBase);
  EXPECT_EQ(outline_of(method, given({1, -1})).copy, Outline::kNoCopy);
  EXPECT_EQ(outline_of(method, given({0, 2})).reads, (std::vector<bool>{false, true}));
  EXPECT_EQ(outline_of(method, given({1, 2})).sweeps, 1u);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(merge_one<float>("task_arithmetic", {{1}, {{nan}, {3}}, given({0, 2})}),
            std::vector<float>{5});
  EXPECT_TRUE(
      same_bits(merge_one<float>("task_arithmetic", {{-0.0f}, {{nan}}, given({1}, 0)}), {-0.0f}));
}

}  // namespace
}  // namespace merganser::test
