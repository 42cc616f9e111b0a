#include "linalg/orthogonal_power.h"

#include <algorithm>
#include <cmath>

#include "linalg/qr.h"
#include "linalg/testing.h"

namespace merganser::test {
namespace {

Matrix<double> copy(const Matrix<double>& a) {
  Matrix<double> b(a.rows(), a.cols());
  std::copy_n(a.data(), a.rows() * a.cols(), b.data());
  return b;
}

Matrix<double> rotation(std::size_t n, unsigned seed) {
  Matrix<double> q = orthonormal_rows(n, n, seed);
  if (determinant_sign(copy(q)) < 0) {
    for (std::size_t c = 0; c < n; ++c) q(0, c) = -q(0, c);
  }
  return q;
}

Matrix<double> square(const Matrix<double>& a) {
  return product<double, double>(a.view(), false, a.view(), false);
}

TEST(OrthogonalPower, APlane) {
  Matrix<double> q(2, 2);
  const double angle = 0.9;
  q(0, 0) = q(1, 1) = std::cos(angle);
  q(0, 1) = -std::sin(angle);
  q(1, 0) = std::sin(angle);
  const Matrix<double> p = orthogonal_power(std::move(q), 1.0 / 3);
  EXPECT_NEAR(p(0, 0), std::cos(0.3), 1e-15);
  EXPECT_NEAR(p(0, 1), -std::sin(0.3), 1e-15);
  EXPECT_NEAR(p(1, 0), std::sin(0.3), 1e-15);
}

TEST(OrthogonalPower, HalfTwiceIsTheWhole) {
  for (const std::size_t n : {1u, 2u, 3u, 8u, 41u}) {
    const Matrix<double> q = rotation(n, 5);
    const Matrix<double> half = orthogonal_power(copy(q), 0.5);
    // n rounding errors of Householder reflections and products.
    EXPECT_LT(max_difference(square(half), q), 1e-13) << n;
    const auto gram = product<double, double>(half.view(), false, half.view(), true);
    EXPECT_LT(max_difference(gram, identity(n)), 1e-13) << n;
    EXPECT_LT(max_difference(orthogonal_power(copy(q), 1), q), 1e-13) << n;
    EXPECT_LT(max_difference(orthogonal_power(copy(q), 0), identity(n)), 1e-13) << n;
  }
}

TEST(OrthogonalPower, HalfTurnsAndRest) {
  Matrix<double> q = identity(5);
  q(1, 1) = q(3, 3) = -1;
  EXPECT_LT(max_difference(square(orthogonal_power(copy(q), 0.5)), q), 1e-15);
  EXPECT_EQ(max_difference(orthogonal_power(identity(4), 0.3), identity(4)), 0);
}

}  // namespace
}  // namespace merganser::test
