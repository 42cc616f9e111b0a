#include "lora/terms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/testing.h"
#include "linalg/testing.h"

namespace merganser {
namespace {

using ::testing::ElementsAre;

const std::vector<double> kValues = {4, 2, 1, 0.5};  // energy 21.25

TEST(ChooseRank, IsCutByEachRule) {
  EXPECT_EQ(choose_rank(kValues, 21.25, {}), 4u);
  EXPECT_EQ(choose_rank(kValues, 21.25, {.most = 3}), 3u);
  EXPECT_EQ(choose_rank(kValues, 21.25, {.sv_epsilon = 1}), 2u);  // equal ones go
  EXPECT_EQ(choose_rank(kValues, 21.25, {.energy = 16 / 21.25}), 1u);
  EXPECT_EQ(choose_rank(kValues, 21.25, {.energy = 16.1 / 21.25}), 2u);
  EXPECT_EQ(choose_rank(kValues, 21.25, {.most = 1, .sv_epsilon = 0.1, .energy = 0.99}), 1u);
  EXPECT_EQ(choose_rank({}, 0, {}), 0u);
}

TEST(Residual, IsTheRootOfWhatIsMissing) {
  EXPECT_DOUBLE_EQ(residual(kValues, 1, 21.25), std::sqrt(5.25 / 21.25));
  EXPECT_EQ(residual(kValues, 4, 21.25), 0);
  EXPECT_EQ(residual(kValues, 4, 21.2), 0);  // a sum that was rounded differently
  EXPECT_EQ(residual({}, 0, 0), 0);
}

Matrix<double> copy(const Matrix<double>& a) {
  Matrix<double> b(a.rows(), a.cols());
  std::copy_n(a.data(), a.rows() * a.cols(), b.data());
  return b;
}

void expect_terms_of(const Matrix<double>& left, const Matrix<double>& right, std::size_t rank) {
  const Terms terms = singular_terms(copy(left), copy(right), 1e-12);
  ASSERT_EQ(terms.s.size(), rank);
  const Matrix<double> product =
      test::product<double, double>(left.view(), true, right.view(), false);
  Matrix<double> scaled = copy(terms.right);
  double energy = 0;
  for (std::size_t r = 0; r < rank; ++r) {
    EXPECT_TRUE(r == 0 || terms.s[r] <= terms.s[r - 1]);
    energy += terms.s[r] * terms.s[r];
    for (std::size_t c = 0; c < scaled.cols(); ++c) scaled(r, c) *= terms.s[r];
  }
  EXPECT_LT(
      test::max_difference(
          test::product<double, double>(terms.left.view(), true, scaled.view(), false), product),
      1e-12 * terms.s[0]);
  EXPECT_NEAR(terms.energy, energy, 1e-12 * energy);
  // Orthonormal on both sides.
  for (const Matrix<double>* side : {&terms.left, &terms.right}) {
    EXPECT_LT(
        test::max_difference(test::product<double, double>(side->view(), false, side->view(), true),
                             test::identity(rank)),
        1e-12);
  }
}

TEST(SingularTerms, OfAProductOfFactors) {
  expect_terms_of(test::gaussian<double>(5, 40, 1), test::gaussian<double>(5, 23, 2), 5);
}

TEST(SingularTerms, OfMoreTermsThanTheSides) {
  expect_terms_of(test::gaussian<double>(30, 7, 1), test::gaussian<double>(30, 23, 2), 7);
}

TEST(SingularTerms, FindTheRank) {
  Matrix<double> left = test::gaussian<double>(6, 40, 1);
  for (std::size_t c = 0; c < 40; ++c) left(4, c) = left(0, c) - 2 * left(1, c);
  std::fill_n(left.row(5), 40, 0.0);
  expect_terms_of(left, test::gaussian<double>(6, 23, 2), 4);
}

TEST(SingularTerms, OfNothing) {
  Matrix<double> left(3, 8), right(3, 9);
  std::fill_n(left.data(), 24, 0.0);
  std::fill_n(right.data(), 27, 1.0);
  EXPECT_TRUE(singular_terms(std::move(left), std::move(right), 0).s.empty());
}

TEST(SingularTerms, RefuseWhatIsNotFinite) {
  Matrix<double> left = test::gaussian<double>(2, 8, 1);
  left(1, 1) = std::numeric_limits<double>::infinity();
  EXPECT_THAT(
      test::complaint([&] { singular_terms(copy(left), test::gaussian<double>(2, 9, 2), 0); }),
      ::testing::HasSubstr("NaN or infinity"));
}

}  // namespace
}  // namespace merganser
