#include "methods/parts/column_sums.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>

#include "method/merger.h"
#include "methods/testing.h"

namespace merganser::methods {
namespace {

using Sums = std::vector<ColumnSums::Sums>;

template <class T>
Sums sums_of(const Shape& shape, const std::vector<T>& a, const std::vector<T>& b,
             const std::vector<std::size_t>& firsts, std::size_t step) {
  ColumnSums sums(shape);
  const auto size = [&](std::size_t first) { return std::min(step, a.size() - first); };
  for (const std::size_t i : firsts) sums.look(i, a.data() + i, b.data() + i, size(i));
  sums.end_look();
  for (const std::size_t i : firsts) sums.add(i, a.data() + i, b.data() + i, size(i));
  return sums.take();
}

std::vector<std::size_t> steps(std::size_t n, std::size_t step) {
  std::vector<std::size_t> firsts;
  for (std::size_t i = 0; i < n; i += step) firsts.push_back(i);
  return firsts;
}

template <class T>
class ColumnSumsOf : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ColumnSumsOf, Types);

TYPED_TEST(ColumnSumsOf, WrittenOut) {
  using T = TypeParam;
  const std::vector<T> a = {1, 2, 3, 0, 0, -1}, b = {4, 0, 1, 1, 0, 3};
  const Sums sums = sums_of<T>({2, 3}, a, b, {0}, 6);
  ASSERT_EQ(sums.size(), 3u);
  EXPECT_EQ(sums[0].aa, 1);
  EXPECT_EQ(sums[0].ab, 4);
  EXPECT_EQ(sums[0].bb, 17);
  EXPECT_EQ(sums[1].aa, 4);
  EXPECT_EQ(sums[1].bb, 0);
  EXPECT_EQ(sums[2].aa, 10);
  EXPECT_EQ(sums[2].ab, 0);
  EXPECT_EQ(sums_of<T>({}, {3}, {4}, {0}, 1)[0].ab, 12);
  EXPECT_TRUE(sums_of<T>({0, 3}, {}, {}, {}, 1).empty());
  EXPECT_TRUE(sums_of<T>({3, 0}, {}, {}, {}, 1).empty());
}

TYPED_TEST(ColumnSumsOf, NearlyExact) {
  using T = TypeParam;
  for (const Shape& shape : {Shape{5000}, Shape{700, 9}, Shape{3, 5000}, Shape{40, 7, 30}}) {
    SCOPED_TRACE(::testing::PrintToString(shape));
    const std::size_t n = elements(shape), width = n / shape[0];
    auto a = test::normal<T>(n, 1), b = test::normal<T>(n, 2);
    // Columns of very different sizes.
    for (std::size_t i = 0; i < n; ++i) {
      const double scale = std::exp2(static_cast<double>(i % width % 61) - 30);
      a[i] *= static_cast<T>(scale);
      b[i] /= static_cast<T>(scale);
    }
    const Sums sums = sums_of(shape, a, b, steps(n, 2048), 2048);
    for (std::size_t j = 0; j < width; ++j) {
      long double aa = 0, ab = 0, bb = 0;
      for (std::size_t i = j; i < n; i += width) {
        aa += (long double){a[i]} * a[i];
        ab += (long double){a[i]} * b[i];
        bb += (long double){b[i]} * b[i];
      }
      // Each product: 2^-48 of the largest one, times rows. Rows as many, but of random signs, and
      // compared with a sum that is no less than the largest product.
      const double tolerance = std::exp2(-47) * static_cast<double>(shape[0]);
      EXPECT_NEAR(sums[j].aa / aa, 1, tolerance);
      EXPECT_NEAR(sums[j].bb / bb, 1, tolerance);
      EXPECT_NEAR(sums[j].ab / std::sqrt(aa * bb), ab / std::sqrt(aa * bb), tolerance);
    }
  }
}

TYPED_TEST(ColumnSumsOf, DoNotDependOnTheOrder) {
  using T = TypeParam;
  for (const Shape& shape : {Shape{9001}, Shape{1000, 11}, Shape{5, 3000}}) {
    const std::size_t n = elements(shape);
    const auto a = test::normal<T>(n, 1), b = test::normal<T>(n, 2);
    const Sums expected = sums_of(shape, a, b, steps(n, 2048), 2048);
    for (const std::size_t step : {1, 7, 100, 2048}) {
      auto firsts = steps(n, step);
      std::shuffle(firsts.begin(), firsts.end(), std::mt19937(5));
      const Sums sums = sums_of(shape, a, b, firsts, step);
      ASSERT_EQ(sums.size(), expected.size());
      for (std::size_t j = 0; j < sums.size(); ++j) {
        ASSERT_EQ(sums[j].aa, expected[j].aa);
        ASSERT_EQ(sums[j].ab, expected[j].ab);
        ASSERT_EQ(sums[j].bb, expected[j].bb);
      }
    }
  }
}

TYPED_TEST(ColumnSumsOf, TakeSeveralThreads) {
  using T = TypeParam;
  for (const Shape& shape : {Shape{400, 100}, Shape{8, 5000}}) {
    const std::size_t n = 40000;
    const auto a = test::normal<T>(n, 1), b = test::normal<T>(n, 2);
    const Sums expected = sums_of(shape, a, b, steps(n, 500), 500);
    ColumnSums sums(shape);
    const auto in_threads = [&](auto act) {
      std::vector<std::thread> threads;
      for (std::size_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
          for (std::size_t i = 500 * t; i < n; i += 2000) act(i);
        });
      }
      for (std::thread& thread : threads) thread.join();
    };
    in_threads([&](std::size_t i) { sums.look(i, a.data() + i, b.data() + i, 500); });
    sums.end_look();
    in_threads([&](std::size_t i) { sums.add(i, a.data() + i, b.data() + i, 500); });
    const Sums found = sums.take();
    for (std::size_t j = 0; j < found.size(); ++j) ASSERT_EQ(found[j].ab, expected[j].ab);
  }
}

}  // namespace
}  // namespace merganser::methods
