#include "linalg/truncated_svd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "linalg/blas_info.h"
#include "linalg/multiply.h"
#include "linalg/svd.h"
#include "linalg/testing.h"

namespace merganser::test {
namespace {

template <class T>
Matrix<double> widened(const Matrix<T>& a) {
  Matrix<double> copy(a.rows(), a.cols());
  std::copy_n(a.data(), a.rows() * a.cols(), copy.data());
  return copy;
}

template <class T>
double orthogonality(const Matrix<T>& rows) {
  const Matrix<double> wide = widened(rows);
  Matrix<double> squares(rows.rows(), rows.rows());
  multiply<double>(1, wide.view(), Transposed::no, wide.view(), Transposed::yes, 0, squares.view());
  return rows.rows() == 0 ? 0 : max_difference(squares, identity(rows.rows()));
}

// |a - ut^T s vt|, of the differences themselves.
template <class T>
double distance(const Matrix<T>& a, const TruncatedSvd<T>& svd) {
  Matrix<double> left = widened(svd.ut), right = widened(svd.vt), out(a.rows(), a.cols());
  if (svd.s.empty()) return std::sqrt(squared_norm<T>(a.view()));
  compose<double>(left.view(), svd.s, right.view(), out.view());
  for (std::size_t i = 0; i < a.rows() * a.cols(); ++i) out.data()[i] -= a.data()[i];
  return std::sqrt(squared_norm<double>(out.view()));
}

struct Reference {
  std::vector<double> s;
  double best(std::size_t k) const {
    double sum = 0;
    for (std::size_t i = s.size(); i-- > k;) sum += s[i] * s[i];
    return std::sqrt(sum);
  }
};

// Everything that holds for every result, and the excess against the optimum of LAPACK in f64.
template <class T>
void check(const Matrix<T>& a, const TruncatedOptions& options, const TruncatedSvd<T>& svd,
           const Reference& exact) {
  const std::size_t k = std::min({options.rank, a.rows(), a.cols()});
  ASSERT_LE(svd.s.size(), k);
  ASSERT_EQ(svd.ut.rows(), svd.s.size());
  ASSERT_EQ(svd.vt.rows(), svd.s.size());
  EXPECT_EQ(svd.ut.cols(), a.rows());
  EXPECT_EQ(svd.vt.cols(), a.cols());
  EXPECT_TRUE(std::is_sorted(svd.s.rbegin(), svd.s.rend()));
  for (const double s : svd.s) EXPECT_GT(s, 0);
  const double unit = std::is_same_v<T, float> ? 1e-5 : 1e-11;
  EXPECT_LT(orthogonality(svd.ut), unit);
  EXPECT_LT(orthogonality(svd.vt), unit);
  const double norm = std::sqrt(svd.energy);
  EXPECT_NEAR(norm, std::sqrt(squared_norm<T>(a.view())), 1e-12 * norm);
  const double error = distance(a, svd), best = exact.best(k);
  const double rounding = (std::is_same_v<T, float> ? 1e-6 : 1e-13) * norm;
  // A difference of sums of squares is known to 1e-14, its root to 1e-7.
  EXPECT_NEAR(error, svd.residual * norm, 1e-4 * error + 2e-7 * norm);
  if (options.certify) {
    EXPECT_LE(svd.excess, options.excess);
  }
  EXPECT_LE(error, best * (1 + options.excess) * (1 + 1e-6) + rounding) << name_of(svd.way);
  EXPECT_LE(error, best * (1 + svd.excess) * (1 + 1e-6) + rounding) << name_of(svd.way);
}

template <class T>
TruncatedSvd<T> checked(const Matrix<T>& a, const TruncatedOptions& options) {
  const Reference exact{lapack_svd(widened(a)).s};
  TruncatedSvd<T> svd = truncated_svd<T>(a.view(), options);
  check(a, options, svd, exact);
  return svd;
}

std::vector<double> power(std::size_t n, double exponent) {
  std::vector<double> s(n);
  for (std::size_t i = 0; i < n; ++i) s[i] = std::pow(static_cast<double>(i + 1), -exponent);
  return s;
}

// A low rank and noise: what fine-tuning leaves.
template <class T>
Matrix<T> noisy(std::size_t m, std::size_t n, std::size_t rank, double noise, unsigned seed) {
  const auto left = gaussian<T>(m, rank, seed), right = gaussian<T>(rank, n, seed + 1);
  auto a = gaussian<T>(m, n, seed + 2, noise);
  multiply<T>(1, left.view(), Transposed::no, right.view(), Transposed::no, 1, a.view());
  return a;
}

template <class T>
class TruncatedSvdOf : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(TruncatedSvdOf, Types);

TYPED_TEST(TruncatedSvdOf, WrittenOut) {
  using T = TypeParam;
  Matrix<T> a(2, 3);  // 3 e1 e2^T - 2 e2 e1^T
  std::fill_n(a.data(), 6, T{0});
  a(0, 1) = 3;
  a(1, 0) = -2;
  const auto svd = checked<T>(a, {.rank = 1, .leading = 1});
  ASSERT_EQ(svd.s.size(), 1u);
  EXPECT_NEAR(svd.s[0], 3, 1e-6);
  EXPECT_NEAR(svd.residual, 2 / std::sqrt(13.0), 1e-6);
  EXPECT_EQ(svd.energy, 13);
  EXPECT_NEAR(svd.ut(0, 0) * svd.vt(0, 1), 1, 1e-6);
  EXPECT_TRUE(svd.leading_resolved);
  EXPECT_NEAR(svd.leading_gap, 1.0 / 3, 1e-6);
  EXPECT_EQ(svd.way, SvdWay::exact);
}

TYPED_TEST(TruncatedSvdOf, ShapesAndRanks) {
  using T = TypeParam;
  const std::vector<std::pair<std::size_t, std::size_t>> shapes = {
      {1, 1}, {1, 9}, {9, 1}, {5, 9}, {300, 400}, {700, 330}, {330, 700}};
  for (const auto& [m, n] : shapes) {
    const auto a = gaussian<T>(m, n, 3);
    const Reference exact{lapack_svd(widened(a)).s};
    for (const std::size_t rank : {1, 2, 16, 40, 100, 1000}) {
      SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) + ", rank " +
                   std::to_string(rank));
      const TruncatedOptions options{.rank = rank, .leading = 1, .seed = 5};
      check(a, options, truncated_svd<T>(a.view(), options), exact);
    }
  }
}

TYPED_TEST(TruncatedSvdOf, SpectraOfAllKinds) {
  using T = TypeParam;
  const std::size_t m = 600, n = 520;
  std::vector<std::pair<std::string, Matrix<T>>> matrices;
  matrices.emplace_back("flat", gaussian<T>(m, n, 1));
  matrices.emplace_back("low rank and noise", noisy<T>(m, n, 20, 0.5, 2));
  matrices.emplace_back("low rank and little noise", noisy<T>(m, n, 20, 1e-3, 3));
  for (const double exponent : {0.5, 1.0, 2.0}) {
    matrices.emplace_back("power " + std::to_string(exponent),
                          with_values<T>(m, n, power(n, exponent), 4));
  }
  auto outlier = power(n, 0.3);
  outlier[0] = 300;
  matrices.emplace_back("outlier", with_values<T>(m, n, outlier, 6));
  std::vector<double> steps(n, 0.1);
  std::fill_n(steps.begin(), 60, 1.0);  // more equal values than a block has vectors
  matrices.emplace_back("equal values", with_values<T>(m, n, steps, 8));
  auto rows = gaussian<T>(m, n, 9);
  for (std::size_t r = 0; r < m; r += 3) std::fill_n(rows.row(r), n, T{0});
  matrices.emplace_back("zero rows", std::move(rows));
  for (const auto& [name, a] : matrices) {
    const Reference exact{lapack_svd(widened(a)).s};
    for (const std::size_t rank : {1, 20, 32}) {
      // In f64 the same code runs with more digits: one rank is enough.
      if (std::is_same_v<T, double> && rank != 32) continue;
      for (const auto& [excess, certify] : {std::pair{1e-2, true}, {1e-3, true}, {1e-3, false}}) {
        SCOPED_TRACE(name + ", rank " + std::to_string(rank) + ", " + std::to_string(excess));
        const TruncatedOptions options{
            .rank = rank, .excess = excess, .certify = certify, .seed = rank};
        check(a, options, truncated_svd<T>(a.view(), options), exact);
      }
    }
  }
}

// Where proving would take a third of the matrix, meeting does not.
TYPED_TEST(TruncatedSvdOf, FlatSpectraAreMetUnproven) {
  using T = TypeParam;
  if (std::is_same_v<T, double>) GTEST_SKIP() << "the reference takes long, and f32 is the case";
  const auto a = gaussian<T>(1100, 1000, 12);
  const Reference exact{lapack_svd(widened(a)).s};
  const TruncatedOptions options{.rank = 24, .leading = 4, .certify = false};
  const auto svd = truncated_svd<T>(a.view(), options);
  check(a, options, svd, exact);
  EXPECT_EQ(svd.way, SvdWay::krylov);
}

TYPED_TEST(TruncatedSvdOf, TinyAndHugeScales) {
  using T = TypeParam;
  for (const double scale : {1e-30, 1e-20, 1e15, 1e18}) {
    auto a = noisy<T>(400, 320, 10, 0.1, 5);
    for (std::size_t i = 0; i < a.rows() * a.cols(); ++i) a.data()[i] *= static_cast<T>(scale);
    SCOPED_TRACE(scale);
    EXPECT_EQ(checked<T>(a, {.rank = 10}).s.size(), 10u);
  }
}

TYPED_TEST(TruncatedSvdOf, LowRanksAreNoticed) {
  using T = TypeParam;
  for (const std::size_t rank : {1, 8, 30}) {
    const auto left = gaussian<T>(600, rank, 1), right = gaussian<T>(rank, 520, 2);
    Matrix<T> a(600, 520);
    multiply<T>(1, left.view(), Transposed::no, right.view(), Transposed::no, 0, a.view());
    const auto svd = checked<T>(a, {.rank = 32, .leading = 1});
    EXPECT_EQ(svd.s.size(), rank);
    EXPECT_LT(svd.residual, 1e-6);
    EXPECT_EQ(svd.excess, 0);
  }
}

TYPED_TEST(TruncatedSvdOf, ErrorsOfTheElementsAreNoDirections) {
  using T = TypeParam;
  for (const std::size_t n : {120, 400, 600}) {
    const auto a = noisy<T>(n + 20, n, 12, 0.01, 7);
    const auto svd = truncated_svd<T>(a.view(), {.rank = 20, .element_error = 0.01});
    EXPECT_EQ(svd.s.size(), 12u) << n << " " << name_of(svd.way);
    EXPECT_EQ(truncated_svd<T>(a.view(), {.rank = 20}).s.size(), 20u);
  }
}

TYPED_TEST(TruncatedSvdOf, KrylovSpacesAreUsed) {
  using T = TypeParam;
  const auto a = noisy<T>(900, 800, 16, 0.5, 5);
  const auto svd = checked<T>(a, {.rank = 16, .leading = 4, .excess = 1e-4});
  EXPECT_EQ(svd.way, SvdWay::krylov);
  EXPECT_GT(svd.iterations, 1u);
  const auto again = truncated_svd<T>(a.view(), {.rank = 16, .leading = 4, .excess = 1e-4});
  EXPECT_EQ(svd.s, again.s);
  EXPECT_EQ(max_difference(svd.ut, again.ut), 0);
  EXPECT_EQ(max_difference(svd.vt, again.vt), 0);
}

TYPED_TEST(TruncatedSvdOf, AloneItLeavesBlasAsItWas) {
  using T = TypeParam;
  const unsigned before = blas_info().threads;
  const auto a = noisy<T>(900, 800, 16, 0.5, 5);
  const auto svd = checked<T>(a, {.rank = 16, .alone = true});
  EXPECT_EQ(svd.way, SvdWay::krylov);
  EXPECT_EQ(blas_info().threads, before);
}

TYPED_TEST(TruncatedSvdOf, RouterValuesAreExactWhereThereIsAGap) {
  using T = TypeParam;
  std::size_t resolved = 0;
  for (unsigned seed = 0; seed < 6; ++seed) {
    const auto a = noisy<T>(520, 600, 24, 0.5, 10 * seed);
    const Svd<double> exact = lapack_svd(widened(a));
    for (const std::size_t g : {1, 2, 4, 8}) {
      const double gap = (exact.s[g - 1] - exact.s[g]) / exact.s[g - 1];
      const auto svd = truncated_svd<T>(
          a.view(), {.rank = 24, .leading = g, .certify = seed % 2 == 0, .seed = seed});
      EXPECT_NEAR(svd.leading_gap, gap, 1e-3);
      if (gap < 1.02e-2) continue;
      EXPECT_TRUE(svd.leading_resolved) << gap;
      ++resolved;
      const auto x = gaussian<double>(1, a.cols(), seed + 100);
      const auto length = [&](const auto& vt) {
        double sum = 0;
        for (std::size_t i = 0; i < g; ++i) {
          double dot = 0;
          for (std::size_t c = 0; c < a.cols(); ++c) dot += vt(i, c) * x(0, c);
          sum += dot * dot;
        }
        return std::sqrt(sum);
      };
      EXPECT_NEAR(length(svd.vt), length(exact.vt), 1e-4 * length(exact.vt));
    }
  }
  EXPECT_GT(resolved, 5u);
}

TYPED_TEST(TruncatedSvdOf, FlatSpectraPromiseNoVectors) {
  using T = TypeParam;
  const auto a = with_values<T>(400, 350, std::vector<double>(350, 1.0), 3);
  const auto svd = checked<T>(a, {.rank = 10, .leading = 4});
  EXPECT_FALSE(svd.leading_resolved);
  EXPECT_LT(svd.leading_gap, 1e-4);
}

TYPED_TEST(TruncatedSvdOf, ZeroEmptyAndNotFinite) {
  using T = TypeParam;
  for (const std::size_t n : {0, 1, 5, 400}) {
    Matrix<T> a(n, n);
    std::fill_n(a.data(), n * n, T{0});
    const auto svd = truncated_svd<T>(a.view(), {.rank = 3});
    EXPECT_TRUE(svd.s.empty());
    EXPECT_EQ(svd.residual, 0);
    EXPECT_EQ(svd.way, SvdWay::none);
    EXPECT_EQ(svd.ut.cols(), n);
  }
  for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
    auto a = gaussian<T>(320, 310, 1);
    a(100, 309) = bad;
    EXPECT_THROW(truncated_svd<T>(a.view(), {.rank = 3}), Error);
  }
  const auto none = truncated_svd<T>(gaussian<T>(5, 5, 1).view(), {.rank = 0});
  EXPECT_TRUE(none.s.empty());
  EXPECT_EQ(none.residual, 1);
}

TYPED_TEST(TruncatedSvdOf, Products) {
  using T = TypeParam;
  const std::vector<std::array<std::size_t, 3>> shapes = {{40, 4, 30}, {30, 1, 30}, {3, 5, 9},
                                                          {9, 5, 3},   {3, 7, 4},   {200, 16, 100}};
  for (const auto& [m, r, n] : shapes) {
    const auto b = gaussian<double>(m, r, 1), a = gaussian<double>(r, n, 2);
    Matrix<double> whole(m, n);
    multiply<double>(1, b.view(), Transposed::no, a.view(), Transposed::no, 0, whole.view());
    const Svd<double> exact = lapack_svd(widened(whole));
    const std::size_t rank = std::min({m, r, n});
    for (const std::size_t k : {std::size_t{1}, rank, rank + 5}) {
      const auto svd = product_svd<T>(b.view(), a.view(), k);
      ASSERT_EQ(svd.s.size(), std::min(k, rank));
      EXPECT_EQ(svd.way, SvdWay::factors);
      for (std::size_t i = 0; i < svd.s.size(); ++i) {
        EXPECT_NEAR(svd.s[i], exact.s[i], 1e-12 * exact.s[0]);
      }
      EXPECT_LT(orthogonality(svd.ut), 1e-6);
      EXPECT_LT(orthogonality(svd.vt), 1e-6);
      Matrix<T> narrow(m, n);
      std::copy_n(whole.data(), m * n, narrow.data());
      EXPECT_NEAR(distance(narrow, svd), svd.residual * std::sqrt(svd.energy),
                  1e-6 * std::sqrt(svd.energy));
    }
  }
  // A factor that repeats itself has a lower rank; a zero one none.
  Matrix<double> b(6, 2);
  for (std::size_t i = 0; i < 6; ++i) b(i, 0) = b(i, 1) = static_cast<double>(i + 1);
  EXPECT_EQ(product_svd<T>(b.view(), gaussian<double>(2, 5, 1).view(), 2).s.size(), 1u);
  std::fill_n(b.data(), 12, 0.0);
  EXPECT_TRUE(product_svd<T>(b.view(), gaussian<double>(2, 5, 1).view(), 2).s.empty());
}

}  // namespace
}  // namespace merganser::test
