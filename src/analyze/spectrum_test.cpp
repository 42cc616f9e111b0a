#include "analyze/spectrum.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "analyze/angles.h"
#include "linalg/testing.h"

namespace merganser::test {
namespace {

TEST(Decompose, FindsTheValuesThatWerePutIn) {
  const std::vector<double> s = {5, 3, 2, 1, 0.5};
  const Matrix<double> a = with_values<double>(20, 13, s, 1);
  const Decomposed three = decompose<double>(a.view(), {.rank = 3, .leading = 2});
  ASSERT_EQ(three.spectrum.s.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(three.spectrum.s[i], s[i], 1e-13);
  EXPECT_FALSE(three.spectrum.whole);
  EXPECT_NEAR(three.spectrum.residual(), std::sqrt(1.25 / 39.25), 1e-13);
  EXPECT_EQ(three.leading.left.rows(), 2u);
  EXPECT_EQ(three.leading.right.cols(), 13u);
  const Decomposed all = decompose<double>(a.view(), {.rank = 64, .leading = 64});
  EXPECT_TRUE(all.spectrum.whole);
  EXPECT_EQ(all.spectrum.s.size(), 5u);
}

// Angles may ask for more vectors than singular values are wanted: what was found is not all told.
TEST(Decompose, FewerValuesThanVectors) {
  auto factors = std::make_shared<Factors<double>>();
  factors->rank = 3;
  factors->rows = 9;
  factors->columns = 7;
  const Matrix<double> left = gaussian<double>(9, 3, 1), right = gaussian<double>(3, 7, 2);
  factors->left.assign(left.data(), left.data() + 9 * 3);
  factors->right.assign(right.data(), right.data() + 3 * 7);
  const LoraSource::Product change{factors, 1};
  const SpectrumOptions options{.rank = 2, .leading = 4};
  const Spectrum all = decompose(change, {.rank = 3, .leading = 4}).spectrum;
  const Spectrum two = decompose(change, options).spectrum;
  EXPECT_TRUE(all.whole);
  ASSERT_EQ(two.s.size(), 2u);
  EXPECT_FALSE(two.whole);
  EXPECT_NEAR(two.residual(), all.s[2] / std::sqrt(all.squared), 1e-13);
  EXPECT_FALSE(two.effective_rank());
  const std::vector<double> s = {4, 3, 2, 1};
  const Matrix<double> matrix = with_values<double>(6, 4, s, 1);
  EXPECT_FALSE(decompose<double>(matrix.view(), options).spectrum.whole);
}

TEST(Decompose, AProductLikeTheMatrixThatItIs) {
  const Matrix<double> left = gaussian<double>(17, 3, 1), right = gaussian<double>(3, 11, 2);
  auto factors = std::make_shared<Factors<double>>();
  factors->rank = 3;
  factors->rows = 17;
  factors->columns = 11;
  factors->left.assign(left.data(), left.data() + 17 * 3);
  factors->right.assign(right.data(), right.data() + 3 * 11);
  Matrix<double> whole = product<double, double>(left.view(), false, right.view(), false);
  for (std::size_t i = 0; i < 17 * 11; ++i) whole.data()[i] *= 0.25;
  const SpectrumOptions options{.rank = 8, .leading = 2};
  const Decomposed a = decompose(LoraSource::Product{factors, 0.25}, options);
  const Decomposed b = decompose<double>(std::as_const(whole).view(), options);
  ASSERT_EQ(a.spectrum.s.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(a.spectrum.s[i], b.spectrum.s[i], 1e-13);
  EXPECT_NEAR(a.spectrum.squared, b.spectrum.squared, 1e-12);
  EXPECT_TRUE(a.spectrum.whole);
  const Angles angles = principal_angles(a.leading, b.leading, false);
  for (const double cosine : angles.input) EXPECT_NEAR(cosine, 1, 1e-13);
  for (const double cosine : angles.output) EXPECT_NEAR(cosine, 1, 1e-13);
}

// Planes that share one direction and are turned by t in the other.
TEST(PrincipalAngles, OfTurnedPlanes) {
  const double t = 0.3;
  Leading a, b;
  a.left = identity(4);
  a.left.keep_rows(2);
  b.left = identity(4);
  b.left.keep_rows(2);
  b.left(1, 1) = std::cos(t);
  b.left(1, 3) = std::sin(t);
  a.right = identity(3);
  a.right.keep_rows(1);
  b.right = identity(3);
  b.right.keep_rows(2);
  const Angles angles = principal_angles(a, b, false);
  ASSERT_EQ(angles.output.size(), 2u);
  EXPECT_NEAR(angles.output[0], 1, 1e-15);
  EXPECT_NEAR(angles.output[1], std::cos(t), 1e-15);
  ASSERT_EQ(angles.input.size(), 1u);  // of the smaller subspace
  EXPECT_NEAR(angles.input[0], 1, 1e-15);
  EXPECT_EQ(principal_angles(a, b, true).input.size(), 2u);
}

}  // namespace
}  // namespace merganser::test
