#include "linalg/eigen.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "linalg/gram.h"
#include "linalg/multiply.h"
#include "linalg/testing.h"

namespace merganser::test {
namespace {

Matrix<double> symmetric(std::size_t n, unsigned seed) {
  auto a = gaussian<double>(n, n, seed);
  mirror(a.view());
  return a;
}

Matrix<double> copy(const Matrix<double>& a) {
  Matrix<double> b(a.rows(), a.cols());
  std::copy_n(a.data(), a.rows() * a.cols(), b.data());
  return b;
}

TEST(Eigen, WrittenOut) {
  Matrix<double> a(2, 2);
  a(0, 0) = a(1, 1) = 2;
  a(0, 1) = 1;
  a(1, 0) = 99;  // below the diagonal: not read
  const Eigen eigen = symmetric_eigen(std::move(a));
  EXPECT_NEAR(eigen.values[0], 3, 1e-14);
  EXPECT_NEAR(eigen.values[1], 1, 1e-14);
  EXPECT_NEAR(std::abs(eigen.vectors(0, 0) + eigen.vectors(0, 1)), std::sqrt(2.0), 1e-14);
  EXPECT_NEAR(eigen.vectors(1, 0) + eigen.vectors(1, 1), 0, 1e-14);
}

TEST(Eigen, IsADecomposition) {
  for (const std::size_t n : {1, 2, 3, 30, 101, 200}) {
    const auto a = symmetric(n, static_cast<unsigned>(n));
    const Eigen eigen = symmetric_eigen(copy(a));
    ASSERT_EQ(eigen.vectors.rows(), n);
    EXPECT_TRUE(std::is_sorted(eigen.values.rbegin(), eigen.values.rend()));
    const auto& v = eigen.vectors;
    EXPECT_LT(max_difference(product<double, double>(v.view(), false, v.view(), true), identity(n)),
              1e-13);
    const auto again = function_of(
        eigen, [](double x, double) { return x; }, 0);
    EXPECT_LT(max_difference(again, a), 1e-12);
    const auto alone = symmetric_eigenvalues(copy(a));
    for (std::size_t i = 0; i < n; ++i) EXPECT_NEAR(alone[i], eigen.values[i], 1e-12);
  }
}

TEST(Eigen, LeavesUnwantedVectorsOut) {
  const auto a = symmetric(50, 7);
  const Eigen all = symmetric_eigen(copy(a));
  for (const std::size_t most : {0, 1, 24, 25, 26, 49, 50, 90}) {
    const Eigen some = symmetric_eigen(copy(a), {.most = most});
    ASSERT_EQ(some.vectors.rows(), std::min<std::size_t>(most, 50));
    EXPECT_EQ(some.values.size(), 50u);
    for (std::size_t i = 0; i < some.vectors.rows(); ++i) {
      double dot = 0;
      for (std::size_t c = 0; c < 50; ++c) dot += some.vectors(i, c) * all.vectors(i, c);
      EXPECT_NEAR(std::abs(dot), 1, 1e-12);
    }
  }
  const double third = (all.values[2] + all.values[3]) / 2;
  EXPECT_EQ(symmetric_eigen(copy(a), {.above = third}).vectors.rows(), 3u);
  EXPECT_EQ(symmetric_eigen(copy(a), {.most = 2, .above = third}).vectors.rows(), 2u);
}

TEST(Eigen, EmptyAndNotFinite) {
  EXPECT_TRUE(symmetric_eigen(Matrix<double>()).values.empty());
  EXPECT_TRUE(symmetric_eigenvalues(Matrix<double>()).empty());
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    auto a = symmetric(5, 1);
    a(1, 3) = bad;
    EXPECT_THROW(symmetric_eigen(copy(a)), Error);
    EXPECT_THROW(symmetric_eigenvalues(copy(a)), Error);
  }
}

TEST(Eigen, TheLargestAlone) {
  for (const std::size_t n : {1, 2, 30, 150}) {
    const auto a = gaussian<double>(n, n + 5, 3);
    Matrix<double> squares = product<double, double>(a.view(), false, a.view(), true);
    const std::vector<double> all =
        symmetric_eigenvalues(product<double, double>(a.view(), false, a.view(), true));
    for (const std::size_t count : {std::size_t{1}, (n + 1) / 2, n}) {
      Matrix<double> copy(n, n);
      std::copy_n(squares.data(), n * n, copy.data());
      const auto found = largest_eigen(std::move(copy), count);
      ASSERT_TRUE(found);
      ASSERT_EQ(found->values.size(), count);
      for (std::size_t i = 0; i < count; ++i) {
        EXPECT_NEAR(found->values[i], all[i], 1e-12 * all[0]);
        for (std::size_t r = 0; r < n; ++r) {
          double image = 0;
          for (std::size_t c = 0; c < n; ++c) image += squares(r, c) * found->vectors(i, c);
          EXPECT_NEAR(image, all[i] * found->vectors(i, r), 1e-11 * all[0]);
        }
      }
      EXPECT_LT(max_difference(product<double, double>(found->vectors.view(), false,
                                                       found->vectors.view(), true),
                               identity(count)),
                1e-11);
    }
  }
}

TEST(Eigen, AsManyVectorsAsTheValuesAskFor) {
  for (const std::size_t n : {1, 2, 30, 150}) {
    const auto a = gaussian<double>(n, n + 5, 3);
    const Matrix<double> squares = product<double, double>(a.view(), false, a.view(), true);
    const std::vector<double> all =
        symmetric_eigenvalues(product<double, double>(a.view(), false, a.view(), true));
    for (const std::size_t count : {std::size_t{0}, (n + 1) / 2, n, n + 7}) {
      std::size_t seen = 0;
      const Eigen found = leading_eigen(product<double, double>(a.view(), false, a.view(), true),
                                        [&](std::span<const double> values) {
                                          seen = values.size();
                                          return count;
                                        });
      EXPECT_EQ(seen, n);
      ASSERT_EQ(found.values.size(), n);
      ASSERT_EQ(found.vectors.rows(), std::min(count, n));
      for (std::size_t i = 0; i < n; ++i) EXPECT_NEAR(found.values[i], all[i], 1e-12 * all[0]);
      for (std::size_t i = 0; i < found.vectors.rows(); ++i) {
        for (std::size_t r = 0; r < n; ++r) {
          double image = 0;
          for (std::size_t c = 0; c < n; ++c) image += squares(r, c) * found.vectors(i, c);
          EXPECT_NEAR(image, all[i] * found.vectors(i, r), 1e-11 * all[0]);
        }
      }
    }
  }
}

}  // namespace
}  // namespace merganser::test
