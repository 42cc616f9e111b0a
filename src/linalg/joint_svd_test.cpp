#include "linalg/joint_svd.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "linalg/multiply.h"
#include "linalg/svd.h"
#include "linalg/testing.h"

namespace merganser::test {
namespace {

template <class T>
class JointSvdOf : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(JointSvdOf, Types);

// The matrices come out of their factors again, and the right vectors are orthonormal together.
template <class T>
void check(std::vector<Matrix<T>> a, std::size_t rank, double tolerance) {
  std::vector<MatrixView<T>> views;
  std::vector<Matrix<double>> before;
  for (Matrix<T>& one : a) {
    views.push_back(one.view());
    before.emplace_back(one.rows(), one.cols());
    std::copy_n(one.data(), one.rows() * one.cols(), before.back().data());
  }
  const JointSvd<T> svd = joint_svd<T>(std::span<const MatrixView<T>>(views), 0);
  ASSERT_EQ(svd.s.size(), rank);
  ASSERT_EQ(svd.vt.size(), a.size());
  EXPECT_TRUE(std::is_sorted(svd.s.rbegin(), svd.s.rend()));
  EXPECT_LT(
      max_difference(product<T, T>(svd.ut.view(), false, svd.ut.view(), true), identity(rank)),
      tolerance);
  Matrix<double> squares(rank, rank);
  fill<double>(squares.view(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto own = product<T, T>(svd.vt[i], false, svd.vt[i], true);
    for (std::size_t k = 0; k < rank * rank; ++k) squares.data()[k] += own.data()[k];
    Matrix<double> scaled(rank, a[i].cols());
    for (std::size_t r = 0; r < rank; ++r) {
      for (std::size_t c = 0; c < a[i].cols(); ++c) scaled(r, c) = svd.s[r] * svd.vt[i](r, c);
    }
    EXPECT_LT(
        max_difference(product<T, double>(svd.ut.view(), true, scaled.view(), false), before[i]),
        10 * tolerance);
  }
  EXPECT_LT(max_difference(squares, identity(rank)), tolerance);
}

template <class T>
std::vector<Matrix<T>> several(std::size_t count, std::size_t rows, std::size_t cols,
                               std::size_t rank) {
  std::vector<Matrix<T>> all;
  for (unsigned i = 0; i < count; ++i) {
    if (rank == 0) {
      all.push_back(gaussian<T>(rows, cols, i));
    } else {
      std::vector<double> s(rank, 1);
      for (std::size_t k = 0; k < rank; ++k) s[k] += static_cast<double>(k) / 10;
      all.push_back(with_values<T>(rows, cols, s, 10 * i + 1));
    }
  }
  return all;
}

TYPED_TEST(JointSvdOf, AllShapesAndRanks) {
  using T = TypeParam;
  const double tolerance = std::is_same_v<T, float> ? 3e-6 : 1e-10;
  check<T>(several<T>(3, 6, 8, 0), 6, tolerance);
  check<T>(several<T>(1, 7, 4, 0), 4, tolerance);
  check<T>(several<T>(2, 30, 5, 0), 10, tolerance);    // tall even side by side
  check<T>(several<T>(2, 10, 600, 0), 10, tolerance);  // beyond one panel
  check<T>(several<T>(3, 80, 70, 4), 12, tolerance);   // low ranks
  check<T>(several<T>(3, 20, 24, 5), 15, tolerance);   // not low enough for the shortcut
}

TYPED_TEST(JointSvdOf, OneOfThemIsZero) {
  using T = TypeParam;
  auto a = several<T>(2, 6, 8, 0);
  fill<T>(a[1].view(), 0);
  check<T>(std::move(a), 6, std::is_same_v<T, float> ? 3e-6 : 1e-10);
}

TYPED_TEST(JointSvdOf, NothingAndNotFinite) {
  using T = TypeParam;
  auto a = several<T>(2, 4, 5, 0);
  std::vector<MatrixView<T>> views = {a[0].view(), a[1].view()};
  a[1](2, 2) = std::numeric_limits<T>::quiet_NaN();
  EXPECT_THROW(joint_svd<T>(std::span<const MatrixView<T>>(views), 0), Error);
  for (auto& one : a) fill<T>(one.view(), 0);
  const auto svd = joint_svd<T>(std::span<const MatrixView<T>>(views), 0);
  EXPECT_TRUE(svd.s.empty());
  EXPECT_EQ(svd.ut.rows(), 0u);
  EXPECT_EQ(svd.ut.cols(), 4u);
}

}  // namespace
}  // namespace merganser::test
