#include "linalg/multiply.h"

#include <gtest/gtest.h>

#include "linalg/gram.h"
#include "linalg/testing.h"

namespace merganser::test {
namespace {

template <class T>
class Multiply : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Multiply, Types);

// A sum of n products of normal numbers: n roundings of half a unit each, of terms of size about 1.
template <class T>
double rounding(std::size_t n) {
  return 4 * std::numeric_limits<T>::epsilon() * static_cast<double>(n);
}

TYPED_TEST(Multiply, WrittenOut) {
  using T = TypeParam;
  Matrix<T> a(2, 3), b(3, 2), c(2, 2);
  for (int i = 0; i < 6; ++i) a.data()[i] = static_cast<T>(i + 1);  // 1 2 3 / 4 5 6
  for (int i = 0; i < 6; ++i) b.data()[i] = static_cast<T>(6 - i);  // 6 5 / 4 3 / 2 1
  multiply<T>(1, a.view(), Transposed::no, b.view(), Transposed::no, 0, c.view());
  EXPECT_EQ(std::vector<T>(c.data(), c.data() + 4), (std::vector<T>{20, 14, 56, 41}));
  multiply<T>(2, a.view(), Transposed::no, b.view(), Transposed::no, -1, c.view());
  EXPECT_EQ(std::vector<T>(c.data(), c.data() + 4), (std::vector<T>{20, 14, 56, 41}));
}

TYPED_TEST(Multiply, AllTranspositionsOfBlocks) {
  using T = TypeParam;
  const auto whole_a = gaussian<T>(30, 40, 1), whole_b = gaussian<T>(40, 30, 2);
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      // Blocks inside larger matrices: strides matter.
      const auto a = ta ? whole_a.view().block(3, 5, 17, 11) : whole_a.view().block(3, 5, 11, 17);
      const auto b = tb ? whole_b.view().block(2, 1, 13, 17) : whole_b.view().block(2, 1, 17, 13);
      Matrix<T> c(11, 13);
      multiply<T>(1, a, ta ? Transposed::yes : Transposed::no, b,
                  tb ? Transposed::yes : Transposed::no, 0, c.view());
      EXPECT_LT(max_difference(c, product<T, T>(a, ta, b, tb)), rounding<T>(17));
    }
  }
}

TYPED_TEST(Multiply, EmptySumsAreZero) {
  using T = TypeParam;
  Matrix<T> a(2, 0), b(0, 3), c(2, 3);
  std::fill_n(c.data(), 6, T{7});
  multiply<T>(1, a.view(), Transposed::no, b.view(), Transposed::no, 0, c.view());
  EXPECT_EQ(squared_norm<T>(c.view()), 0);
  Matrix<T> none(0, 3);
  multiply<T>(1, b.view(), Transposed::no, c.view(), Transposed::yes, 0,
              Matrix<T>(0, 2).view());  // nothing to write
}

TYPED_TEST(Multiply, ComposeScalesTheValuesIn) {
  using T = TypeParam;
  const auto left = gaussian<T>(5, 7, 1);
  auto right = gaussian<T>(5, 9, 2);
  const std::vector<double> s = {3, 2, 1, 0.5, 0};
  Matrix<double> scaled(5, 9);
  for (std::size_t i = 0; i < 5; ++i) {
    for (std::size_t j = 0; j < 9; ++j) scaled(i, j) = s[i] * right(i, j);
  }
  Matrix<T> out(7, 9);
  compose<T>(left.view(), s, right.view(), out.view());
  EXPECT_LT(max_difference(out, product<T, double>(left.view(), true, scaled.view(), false)),
            3 * rounding<T>(5));
}

TYPED_TEST(Multiply, GramOfBothSides) {
  using T = TypeParam;
  // Beyond one panel in both directions.
  for (const auto& [m, n] : {std::pair{700, 20}, std::pair{20, 700}, std::pair{1, 5},
                             std::pair{5, 1}, std::pair{0, 3}}) {
    const auto a = gaussian<T>(static_cast<std::size_t>(m), static_cast<std::size_t>(n), 1);
    Matrix<double> right = gram<T>(a.view(), Side::right), left = gram<T>(a.view(), Side::left);
    mirror(right.view());
    mirror(left.view());
    EXPECT_LT(max_difference(right, product<T, T>(a.view(), true, a.view(), false)), 1e-12);
    EXPECT_LT(max_difference(left, product<T, T>(a.view(), false, a.view(), true)), 1e-12);
  }
}

TYPED_TEST(Multiply, MirrorsLargeMatrices) {
  auto a = gaussian<double>(150, 150, 3);
  const auto before = gaussian<double>(150, 150, 3);
  mirror(a.view());
  for (std::size_t r = 0; r < 150; ++r) {
    for (std::size_t c = 0; c < 150; ++c) {
      ASSERT_EQ(a(r, c), before(std::min(r, c), std::max(r, c)));
    }
  }
}

TYPED_TEST(Multiply, ImagesOfVectorsOfBothSides) {
  using T = TypeParam;
  const std::vector<double> scale = {2, -1, 0.5};
  for (const auto& [m, n] : {std::pair{600, 30}, std::pair{30, 600}}) {
    const auto a = gaussian<T>(static_cast<std::size_t>(m), static_cast<std::size_t>(n), 1);
    for (const Side side : {Side::left, Side::right}) {
      const bool right = side == Side::right;
      const auto v = gaussian<double>(3, right ? a.cols() : a.rows(), 2);
      auto exact = product<double, T>(v.view(), false, a.view(), right);
      Matrix<double> wide(3, exact.cols());
      Matrix<T> narrow(3, exact.cols());
      images<T, double>(a.view(), side, v.view(), {}, wide.view());
      EXPECT_LT(max_difference(wide, exact), 1e-11);
      for (std::size_t i = 0; i < 3 * exact.cols(); ++i) {
        exact.data()[i] *= scale[i / exact.cols()];
      }
      images<T, T>(a.view(), side, v.view(), scale, narrow.view());
      EXPECT_LT(max_difference(narrow, exact), (std::is_same_v<T, float> ? 3e-5 : 1e-11));
    }
  }
}

}  // namespace
}  // namespace merganser::test
