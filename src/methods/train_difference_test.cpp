#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

template <class T>
class TrainDifference : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(TrainDifference, Types);

constexpr const char* kMasks[] = {"train_difference", "add_opposite", "add_strict_opposite"};

Settings with(double alpha, const char* mask = kMasks[0]) {
  return settings_of("train_difference", {{"alpha", alpha}, {"mask", mask}}, {{}, {}});
}

// The sources' formulas as they stand, 0 where nothing is divided by nothing.
Exact mask_at(const std::string& mask, Exact a, Exact b, Exact c) {
  const auto ratio = [](Exact x, Exact y) { return y == 0 ? 0 : x / y; };
  if (mask == "train_difference") {
    return 1.8L * ratio(std::abs(b - a), std::abs(b - a) + std::abs(b - c));
  }
  if (mask == "add_opposite") {
    return 2 * ratio(std::abs(a - b), std::abs(a - b) + std::abs(a + b - 2 * c));
  }
  const Exact most = std::max(std::abs(a - c), std::abs(b - c));
  return 2 * std::max<Exact>(0, ratio((c - a) * (b - c), most * most));
}

TYPED_TEST(TrainDifference, WrittenOut) {
  using T = TypeParam;
  // |B-A| 2, |B-C| 2: half of 1.8; A = B: nothing; B = C: nothing to add; A = C: half again.
  const std::vector<T> a = {2, 4, 1, 0}, b = {4, 4, 3, 10}, c = {6, 1, 3, 0};
  const auto y = merge_one<T>("train_difference", {c, {a, b}, with(10)});
  EXPECT_NEAR(y[0], 2 - 9 * 2, 1e-5);
  EXPECT_EQ(y[1], 4);
  EXPECT_EQ(y[2], 1);
  EXPECT_NEAR(y[3], 9 * 10, 1e-5);
  EXPECT_EQ(merge_one<T>("train_difference", {{}, {{}, {}}, with(1)}), std::vector<T>{});
  // All three equal: 0/0.
  EXPECT_EQ(merge_one<T>("train_difference", {{5}, {{5}, {5}}, with(1)}), std::vector<T>{5});
}

TYPED_TEST(TrainDifference, OppositeMasksWrittenOut) {
  using T = TypeParam;
  // A - C: 1, 1, 1, 0; B - C: 2, -1, -4, 3.
  const std::vector<T> c = {0, 0, 0, 0}, a = {1, 1, 1, 0}, b = {2, -1, -4, 3};
  // Masks 2 * 1/4, 2 * 2/2, 2 * 5/8, 2 * 3/6.
  EXPECT_EQ(merge_one<T>("train_difference", {c, {a, b}, with(1, kMasks[1])}),
            (std::vector<T>{2, -1, -4, 3}));
  // Masks 0, 2 * 1, 2 * 4/16, 0.
  EXPECT_EQ(merge_one<T>("train_difference", {c, {a, b}, with(1, kMasks[2])}),
            (std::vector<T>{1, -1, -1, 0}));
  for (const char* mask : kMasks) {
    EXPECT_EQ(merge_one<T>("train_difference", {{5, 0}, {{5, 0}, {5, 0}}, with(1, mask)}),
              (std::vector<T>{5, 0}));
  }
}

TYPED_TEST(TrainDifference, EqualsReference) {
  using T = TypeParam;
  for (const char* mask : kMasks) {
    SCOPED_TRACE(mask);
    for (const std::size_t n : odd_sizes()) {
      const auto c = normal<T>(n, 1);
      auto a = tuned(c, 2, 0.3), b = tuned(c, 3, 0.2);
      for (std::size_t i = 0; i < n; i += 7) b[i] = c[i];
      for (std::size_t i = 0; i < n; i += 5) a[i] = i % 2 == 0 ? b[i] : c[i];
      for (const double alpha : {0.5, -1.0}) {
        std::vector<Term> terms(n);
        for (std::size_t i = 0; i < n; ++i) {
          const Exact factor = alpha * mask_at(mask, a[i], b[i], c[i]);
          terms[i].add(a[i]);
          terms[i].add(factor * b[i]);
          terms[i].add(-factor * c[i]);
        }
        // The mask's own 5 roundings at most, the factor, a difference, two products, a sum. The
        // mask's rounding is relative to differences that are exact or as large as their terms;
        // twice for those.
        expect_rounded(merge_one<T>("train_difference", {c, {a, b}, with(alpha, mask)}), terms, 20);
      }
    }
  }
}

TEST(TrainDifferenceOutline, CopiesTheFirstModelAtZero) {
  const Descriptor& method = require_method("train_difference");
  EXPECT_EQ(outline_of(method, with(0)).copy, 0u);
  EXPECT_EQ(outline_of(method, with(1)).sweeps, 1u);
}

// Differences whose squares underflow still oppose each other.
TEST(TrainDifference, StrictMaskOfTinyDifferences) {
  const float tiny = 1e-30f;
  const auto y =
      merge_one<float>("train_difference", {{0}, {{tiny}, {-tiny}}, with(0.5, kMasks[2])});
  EXPECT_EQ(y[0], 0);
}

}  // namespace
}  // namespace merganser::test
