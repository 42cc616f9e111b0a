#include "linalg/qr.h"

#include <gtest/gtest.h>

#include "linalg/testing.h"

namespace merganser::test {
namespace {

TEST(Qr, RowsBecomeABasis) {
  for (const auto& [rows, cols] :
       {std::pair{1, 1}, std::pair{1, 9}, std::pair{7, 7}, std::pair{20, 90}, std::pair{64, 65}}) {
    const auto a =
        gaussian<double>(static_cast<std::size_t>(rows), static_cast<std::size_t>(cols), 1);
    auto q = gaussian<double>(a.rows(), a.cols(), 1);
    const auto lower = orthonormalise_rows(q.view());
    EXPECT_LT(max_difference(product<double, double>(q.view(), false, q.view(), true),
                             identity(a.rows())),
              1e-13);
    EXPECT_LT(max_difference(product<double, double>(lower.view(), false, q.view(), false), a),
              1e-13);
    for (std::size_t r = 0; r < a.rows(); ++r) {
      for (std::size_t c = r + 1; c < a.rows(); ++c) EXPECT_EQ(lower(r, c), 0);
    }
  }
}

TEST(Qr, DependentRowsAreCompleted) {
  Matrix<double> a(3, 5);
  for (std::size_t i = 0; i < 15; ++i) a.data()[i] = static_cast<double>(i % 5);
  orthonormalise_rows(a.view());
  EXPECT_LT(max_difference(product<double, double>(a.view(), false, a.view(), true), identity(3)),
            1e-13);
}

TEST(Qr, SignOfTheDeterminant) {
  EXPECT_EQ(determinant_sign(identity(4)), 1);
  EXPECT_EQ(determinant_sign(Matrix<double>()), 1);
  auto swapped = identity(4);
  std::swap_ranges(swapped.row(0), swapped.row(0) + 4, swapped.row(2));
  EXPECT_EQ(determinant_sign(std::move(swapped)), -1);
  auto negative = identity(3);
  for (std::size_t i = 0; i < 3; ++i) negative(i, i) = -2;
  EXPECT_EQ(determinant_sign(std::move(negative)), -1);
  Matrix<double> zero(2, 2);
  std::fill_n(zero.data(), 4, 0);
  EXPECT_EQ(determinant_sign(std::move(zero)), 0);
}

}  // namespace
}  // namespace merganser::test
