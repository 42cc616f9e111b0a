#include "linalg/svd.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "linalg/low_rank.h"
#include "linalg/multiply.h"
#include "linalg/polar.h"
#include "linalg/testing.h"

namespace merganser::test {
namespace {

std::vector<double> geometric(std::size_t n, double first, double last) {
  std::vector<double> s(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double t = n == 1 ? 0 : static_cast<double>(i) / static_cast<double>(n - 1);
    s[i] = first * std::pow(last / first, t);
  }
  return s;
}

template <class T>
double orthogonality(const Matrix<T>& rows) {
  return max_difference(product<T, T>(rows.view(), false, rows.view(), true),
                        identity(rows.rows()));
}

template <class T>
Matrix<double> put_together(const Svd<T>& svd) {
  Matrix<double> scaled(svd.vt.rows(), svd.vt.cols());
  for (std::size_t i = 0; i < scaled.rows(); ++i) {
    for (std::size_t c = 0; c < scaled.cols(); ++c) scaled(i, c) = svd.s[i] * svd.vt(i, c);
  }
  return product<T, double>(svd.ut.view(), true, scaled.view(), false);
}

template <class T>
class SvdOf : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SvdOf, Types);

// f32: the factors are rounded once, however the decomposition was found: a few units. f64:
// LAPACK's own errors, which grow slowly with the size (measured: 5e-15 at 400).
template <class T>
constexpr double kUnits = std::is_same_v<T, float> ? 1e-6 : 1e-13;

TYPED_TEST(SvdOf, WrittenOut) {
  using T = TypeParam;
  Matrix<T> a(2, 3);  // 3 e1 e2^T + 2 e2 e1^T
  std::fill_n(a.data(), 6, T{0});
  a(0, 1) = 3;
  a(1, 0) = -2;
  const Svd<T> svd = thin_svd<T>(a.view());
  ASSERT_EQ(svd.rank(), 2u);
  EXPECT_NEAR(svd.s[0], 3, 1e-14);
  EXPECT_NEAR(svd.s[1], 2, 1e-14);
  EXPECT_EQ(svd.energy, 13);
  EXPECT_NEAR(svd.ut(0, 0) * svd.vt(0, 1), 1, kUnits<T>);
  EXPECT_NEAR(svd.ut(1, 1) * svd.vt(1, 0), -1, kUnits<T>);
  EXPECT_LT(max_difference(put_together(svd), a), kUnits<T>);
}

TYPED_TEST(SvdOf, ShapesOfAllKinds) {
  using T = TypeParam;
  // Small ones, and beyond 256 rows and columns where the shortcuts are taken.
  const std::vector<std::pair<std::size_t, std::size_t>> shapes = {
      {1, 1}, {1, 7}, {7, 1}, {5, 9}, {9, 5}, {1, 700}, {700, 1}, {300, 400}, {400, 300}};
  for (const auto& [m, n] : shapes) {
    SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n));
    const auto s = geometric(std::min(m, n), 3, 0.5);
    const auto a = with_values<T>(m, n, s, 5);
    const Svd<T> svd = thin_svd<T>(a.view());
    ASSERT_EQ(svd.rank(), s.size());
    for (std::size_t i = 0; i < s.size(); ++i) EXPECT_NEAR(svd.s[i], s[i], 1e-5 * s[i]);
    EXPECT_LT(orthogonality(svd.ut), kUnits<T>);
    EXPECT_LT(orthogonality(svd.vt), kUnits<T>);
    EXPECT_LT(max_difference(put_together(svd), a), 3 * kUnits<T>);
    EXPECT_NEAR(svd.energy, squared_norm<T>(a.view()), 1e-12 * svd.energy);
  }
}

TYPED_TEST(SvdOf, SmallValuesKeepTheirVectors) {
  using T = TypeParam;
  // Six decades: the Gram matrix of it has twelve, more than f64 resolves without care.
  for (const auto& [m, n] : {std::pair{300, 320}, std::pair{320, 300}}) {
    const std::vector<double> s = geometric(300, 1, 1e-6);
    const auto a = with_values<T>(static_cast<std::size_t>(m), static_cast<std::size_t>(n), s, 9);
    const Svd<T> svd = thin_svd<T>(a.view());
    ASSERT_EQ(svd.rank(), 300u);
    const Svd<double> exact = [&] {
      Matrix<double> copy(a.rows(), a.cols());
      std::copy_n(a.data(), a.rows() * a.cols(), copy.data());
      return lapack_svd(std::move(copy));
    }();
    for (std::size_t i = 0; i < 300; ++i) {
      EXPECT_NEAR(svd.s[i], exact.s[i], 1e-6 * exact.s[i]) << i;
    }
    // The polar factor weighs all directions equally: any that is wrong shows.
    const auto polar = product<T, T>(svd.ut.view(), true, svd.vt.view(), false);
    const auto wanted = product<double, double>(exact.ut.view(), true, exact.vt.view(), false);
    EXPECT_LT(max_difference(polar, wanted), 2e-6);
  }
}

TYPED_TEST(SvdOf, LowRanksAreFound) {
  using T = TypeParam;
  for (const std::size_t rank : {1, 2, 31, 33, 64, 75, 76, 90, 150}) {  // limit of the search: 75
    SCOPED_TRACE(rank);
    const auto s = geometric(rank, 2, 0.1);
    const auto a = with_values<T>(300, 350, s, 11);
    const Svd<T> svd = thin_svd<T>(a.view(), {.element_error = 1e-9});
    ASSERT_EQ(svd.rank(), rank);
    for (std::size_t i = 0; i < rank; ++i) EXPECT_NEAR(svd.s[i], s[i], 1e-6);
    EXPECT_LT(orthogonality(svd.ut), kUnits<T>);
    EXPECT_LT(orthogonality(svd.vt), kUnits<T>);
    EXPECT_LT(max_difference(put_together(svd), a), kUnits<T>);
    const Svd<T> top = thin_svd<T>(a.view(), {.most = 1, .element_error = 1e-9});
    ASSERT_EQ(top.rank(), 1u);
    EXPECT_NEAR(top.s[0], 2, 1e-6);
    EXPECT_EQ(top.energy, svd.energy);
  }
}

TYPED_TEST(SvdOf, OnlyTheLargest) {
  using T = TypeParam;
  for (const std::size_t n : {60, 300}) {
    const auto a = gaussian<T>(n + 40, n, 3);
    const Svd<T> all = thin_svd<T>(a.view()), some = thin_svd<T>(a.view(), {.most = n / 4});
    ASSERT_EQ(some.rank(), n / 4);
    ASSERT_EQ(some.ut.rows(), n / 4);
    for (std::size_t i = 0; i < n / 4; ++i) EXPECT_NEAR(some.s[i], all.s[i], 1e-10);
    EXPECT_EQ(thin_svd<T>(a.view(), {.most = 0}).rank(), 0u);
  }
}

TYPED_TEST(SvdOf, ZeroAndEmptyMatricesHaveNoDirections) {
  using T = TypeParam;
  for (const std::size_t n : {0, 1, 5, 400}) {
    Matrix<T> a(n, n);
    std::fill_n(a.data(), n * n, T{0});
    EXPECT_EQ(thin_svd<T>(a.view()).rank(), 0u);
    EXPECT_EQ(make_polar_factor<T>(a.view()), 0u);
    EXPECT_EQ(squared_norm<T>(a.view()), 0);
  }
}

TYPED_TEST(SvdOf, NotFiniteIsRefused) {
  using T = TypeParam;
  for (const std::size_t n : {3, 300}) {
    for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
      auto a = gaussian<T>(n, n, 1);
      a(n / 2, n - 1) = bad;
      EXPECT_THROW(thin_svd<T>(a.view()), Error);
      EXPECT_THROW(make_polar_factor<T>(a.view()), Error);
    }
  }
  Matrix<double> bad(2, 2);
  std::fill_n(bad.data(), 4, std::nan(""));
  EXPECT_THROW(lapack_svd(std::move(bad)), Error);
}

TYPED_TEST(SvdOf, RoundingErrorsAreNoDirections) {
  using T = TypeParam;
  // Rank 40 with errors of 1e-4 an element: told so, those are not taken for directions.
  const auto s = geometric(40, 1, 0.1);
  for (const std::size_t n : {120, 320}) {
    auto a = with_values<T>(n, n, s, 21);
    const auto noise = gaussian<T>(n, n, 5, 1e-4);
    for (std::size_t i = 0; i < n * n; ++i) a.data()[i] += noise.data()[i];
    EXPECT_EQ(thin_svd<T>(a.view(), {.element_error = 1e-4}).rank(), 40u);
    EXPECT_EQ(thin_svd<T>(a.view()).rank(), n);
  }
}

TEST(SvdOfProducts, RoundingOfTheProductIsNoDirection) {
  // An adapter of rank 64 multiplied out in f32, as LoRA tools do, and nothing else known.
  const auto left = gaussian<float>(400, 64, 1), right = gaussian<float>(64, 500, 2);
  Matrix<float> a(400, 500);
  multiply<float>(1, left.view(), Transposed::no, right.view(), Transposed::no, 0, a.view());
  EXPECT_EQ(thin_svd<float>(a.view()).rank(), 64u);
}

TYPED_TEST(SvdOf, PolarFactor) {
  using T = TypeParam;
  for (const auto& [m, n] : {std::pair{4, 9}, std::pair{9, 4}, std::pair{300, 280}}) {
    auto a = gaussian<T>(static_cast<std::size_t>(m), static_cast<std::size_t>(n), 2);
    const auto before = gaussian<T>(a.rows(), a.cols(), 2);
    EXPECT_EQ(make_polar_factor<T>(a.view()), std::min(a.rows(), a.cols()));
    const bool tall = a.rows() > a.cols();
    EXPECT_LT(max_difference(product<T, T>(a.view(), tall, a.view(), !tall),
                             identity(std::min(a.rows(), a.cols()))),
              kUnits<T>);
    // a = Q H with H = Q^T a symmetric and without negative eigenvalues.
    const auto h = product<T, T>(a.view(), tall, before.view(), !tall);
    for (std::size_t r = 0; r < h.rows(); ++r) {
      EXPECT_GT(h(r, r), 0);
      for (std::size_t c = 0; c < r; ++c) EXPECT_NEAR(h(r, c), h(c, r), 40 * kUnits<T>);
    }
  }
}

TYPED_TEST(SvdOf, PolarFactorOfLowRankIsAPartialIsometry) {
  using T = TypeParam;
  const std::vector<double> s = {5, 1};
  auto a = with_values<T>(6, 8, s, 3);
  EXPECT_EQ(make_polar_factor<T>(a.view()), 2u);
  const auto svd = thin_svd<T>(a.view());
  ASSERT_EQ(svd.rank(), 2u);
  EXPECT_NEAR(svd.s[0], 1, kUnits<T>);
  EXPECT_NEAR(svd.s[1], 1, kUnits<T>);
}

TYPED_TEST(SvdOf, FactorsOfLowRank) {
  using T = TypeParam;
  const auto a = with_values<T>(200, 150, geometric(20, 1, 0.1), 4);
  const double error = std::is_same_v<T, float> ? 1e-9 : 1e-16;
  const auto found = low_rank_factor<T>(a.view(), {30, error});
  ASSERT_TRUE(found);
  EXPECT_LE(found->basis.rows(), 38u);
  EXPECT_LT(orthogonality(found->basis), 1e-13);
  EXPECT_LT(
      max_difference(
          product<double, double>(found->basis.view(), true, found->coordinates.view(), false), a),
      1e-7);
  EXPECT_FALSE(low_rank_factor<T>(a.view(), {11, error}));
  EXPECT_FALSE(low_rank_factor<T>(a.view(), {0, error}));
  const auto full = gaussian<T>(200, 150, 4);
  EXPECT_FALSE(low_rank_factor<T>(full.view(), {30, error}));
  // A limit beyond the size always succeeds.
  EXPECT_TRUE(low_rank_factor<T>(full.view(), {150, error}));
}

}  // namespace
}  // namespace merganser::test
