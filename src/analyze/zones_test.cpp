#include "analyze/zones.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "linalg/multiply.h"
#include "linalg/svd.h"
#include "linalg/testing.h"

namespace merganser::test {
namespace {

// rows d - q^T q rows d, for orthonormal rows q: the part of the columns' space outside of q.
Matrix<double> without(const Matrix<double>& d, const Matrix<double>& q, bool columns) {
  const Matrix<double> inside = columns ? product<double, double>(q.view(), false, d.view(), false)
                                        : product<double, double>(d.view(), false, q.view(), true);
  const Matrix<double> back = columns
                                  ? product<double, double>(q.view(), true, inside.view(), false)
                                  : product<double, double>(inside.view(), false, q.view(), false);
  Matrix<double> out(d.rows(), d.cols());
  for (std::size_t i = 0; i < d.rows() * d.cols(); ++i) {
    out.data()[i] = d.data()[i] - back.data()[i];
  }
  return out;
}

Matrix<double> rows_of(const Matrix<double>& a, std::size_t first, std::size_t last) {
  Matrix<double> out(last - first, a.cols());
  std::copy(a.row(first), a.row(first) + out.rows() * out.cols(), out.data());
  return out;
}

double block_energy(const Matrix<double>& u, const Matrix<double>& d, const Matrix<double>& v) {
  const Matrix<double> left = product<double, double>(u.view(), false, d.view(), false);
  const Matrix<double> both = product<double, double>(left.view(), false, v.view(), true);
  return squared_norm<double>(both.view());
}

// By the definition, with all singular vectors of the base.
Zones plainly(const Matrix<double>& base, const Matrix<double>& d, double share) {
  Matrix<double> copy(base.rows(), base.cols());
  std::copy_n(base.data(), base.rows() * base.cols(), copy.data());
  const Svd<double> svd = lapack_svd(std::move(copy));
  double total = 0, held = 0;
  for (const double s : svd.s) total += s;
  Zones zones;
  while (held < share * total) held += svd.s[zones.k++];
  const std::size_t all = svd.s.size();
  const Matrix<double> u = rows_of(svd.ut, 0, zones.k), v = rows_of(svd.vt, 0, zones.k);
  const double squared = squared_norm<double>(d.view());
  zones.one = block_energy(u, d, v) / squared;
  zones.two =
      block_energy(rows_of(svd.ut, zones.k, all), d, rows_of(svd.vt, zones.k, all)) / squared;
  // U_rest U_rest^T = I - U_k U_k^T with a whole U.
  zones.two_three = squared_norm<double>(without(without(d, u, true), v, false).view()) / squared;
  return zones;
}

template <class T>
void compare(std::size_t rows, std::size_t cols, double share, double tolerance,
             std::size_t rank = 0) {
  SCOPED_TRACE(testing::Message() << rows << " x " << cols << ", share " << share);
  Matrix<T> base = gaussian<T>(rows, cols, 1);
  if (rank > 0) {
    const Matrix<double> left = gaussian<double>(rows, rank, 3);
    const Matrix<double> right = gaussian<double>(rank, cols, 4);
    const Matrix<double> low = product<double, double>(left.view(), false, right.view(), false);
    for (std::size_t i = 0; i < rows * cols; ++i) {
      // Values far below the others, yet above rounding.
      base.data()[i] = static_cast<T>(low.data()[i] + 3e-5 * base.data()[i]);
    }
  }
  const Matrix<T> change = gaussian<T>(rows, cols, 2, 0.01);
  Matrix<double> base64(rows, cols), change64(rows, cols);
  std::copy_n(base.data(), rows * cols, base64.data());
  std::copy_n(change.data(), rows * cols, change64.data());
  const Zones wanted = plainly(base64, change64, share);
  const BaseZones<T> zones(std::as_const(base).view(), share);
  const Zones found = zones.of(change.view(), squared_norm<double>(change64.view()));
  EXPECT_EQ(found.k, wanted.k);
  EXPECT_NEAR(found.one, wanted.one, tolerance);
  EXPECT_NEAR(found.two, wanted.two, tolerance);
  EXPECT_NEAR(found.two_three, wanted.two_three, tolerance);
}

TEST(Zones, SmallBasesByTheDefinition) {
  for (const double share : {0.2, 0.5, 1.0}) {
    compare<double>(20, 12, share, 1e-12);
    compare<double>(12, 20, share, 1e-12);
    compare<double>(15, 15, share, 1e-12);
    compare<double>(1, 9, share, 1e-12);
  }
}

TEST(Zones, LargeBasesByTheirLeadingVectors) {
  compare<double>(290, 260, 0.5, 1e-10);
  compare<float>(290, 260, 0.5, 1e-5);
  compare<float>(260, 290, 0.5, 1e-5);
  compare<float>(270, 270, 0.5, 1e-5);
}

// W_0^T W_0 is too near to singular for its Cholesky factor.
TEST(Zones, LargeBasesOfNearlyLowRank) {
  compare<double>(290, 260, 0.5, 1e-6, 40);
  compare<float>(260, 290, 0.5, 1e-4, 40);
}

TEST(Zones, AZeroBaseHasNone) {
  Matrix<double> zero(3, 4);
  fill<double>(zero.view(), 0);
  EXPECT_TRUE(BaseZones<double>(std::as_const(zero).view(), 0.5).empty());
}

// diag(3, 2, 1): the sum is 6, its half is reached by the first value alone.
TEST(Zones, ByHand) {
  Matrix<double> base(3, 3), change(3, 3);
  fill<double>(base.view(), 0);
  for (std::size_t i = 0; i < 3; ++i) base(i, i) = 3.0 - static_cast<double>(i);
  for (std::size_t i = 0; i < 9; ++i) change.data()[i] = static_cast<double>(i + 1);
  const Zones zones = BaseZones<double>(std::as_const(base).view(), 0.5).of(change.view(), 285);
  EXPECT_EQ(zones.k, 1u);
  EXPECT_NEAR(zones.one, 1.0 / 285, 1e-14);
  EXPECT_NEAR(zones.two, (25.0 + 36 + 64 + 81) / 285, 1e-14);
  EXPECT_NEAR(zones.two_three, zones.two, 1e-14);
}

}  // namespace
}  // namespace merganser::test
