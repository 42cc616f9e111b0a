#include "linalg/gram_product.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "linalg/testing.h"

namespace merganser::test {
namespace {

template <class T>
class GramProduct : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(GramProduct, Types);

// Shapes beside the sizes of chunks and steps (32 rows, 512 columns; 128 columns, 64 rows), inside
// of larger matrices, from both sides, with more threads than chunks.
TYPED_TEST(GramProduct, EqualsTwoProducts) {
  using T = TypeParam;
  const auto whole = gaussian<T>(170, 530, 1);
  for (const auto& [rows, cols] : {std::pair{1, 1}, {31, 513}, {33, 20}, {129, 64}, {165, 129}}) {
    const auto a = std::as_const(whole).view().block(2, 5, rows, cols);
    for (const Side side : {Side::right, Side::left}) {
      const bool right = side == Side::right;
      for (const std::size_t count : {1, 16, 19}) {
        const std::size_t inner = right ? a.cols : a.rows, outer = right ? a.rows : a.cols;
        const auto x = gaussian<T>(count, inner, 2);
        Matrix<T> y(count, outer), z(count, inner);
        for (const unsigned threads : {1U, 3U}) {
          gram_product<T>(a, side, T{0.5}, x.view(), y.view(), z.view(), threads);
          Matrix<double> image = product<T, T>(x.view(), false, a, right);
          for (std::size_t i = 0; i < count * outer; ++i) image.data()[i] *= 0.5;
          Matrix<double> back = product<double, T>(std::as_const(image).view(), false, a, !right);
          for (std::size_t i = 0; i < count * inner; ++i) back.data()[i] *= 0.5;
          // Sums of `inner` and of both numbers of terms of size about 1 and sqrt(inner), each with
          // half a unit of rounding.
          const double unit = 4 * std::numeric_limits<T>::epsilon();
          const auto n = static_cast<double>(inner), m = static_cast<double>(outer);
          EXPECT_LT(max_difference(y, image), unit * n) << rows << " x " << cols;
          EXPECT_LT(max_difference(z, back), unit * (n + m) * std::sqrt(n))
              << rows << " x " << cols;
        }
      }
    }
  }
}

TYPED_TEST(GramProduct, SameBytesAgain) {
  using T = TypeParam;
  const auto a = gaussian<T>(300, 70, 1), x = gaussian<T>(5, 70, 2);
  Matrix<T> y(5, 300), z(5, 70), again(5, 70);
  gram_product<T>(a.view(), Side::right, 1, x.view(), y.view(), z.view(), 2);
  gram_product<T>(a.view(), Side::right, 1, x.view(), y.view(), again.view(), 2);
  EXPECT_TRUE(std::equal(z.data(), z.data() + 5 * 70, again.data()));
}

TYPED_TEST(GramProduct, NothingOutsideGivesZeros) {
  using T = TypeParam;
  const Matrix<T> a(0, 3), x = gaussian<T>(2, 3, 1);
  Matrix<T> y(2, 0), z = gaussian<T>(2, 3, 2);
  gram_product<T>(a.view(), Side::right, 1, x.view(), y.view(), z.view(), 2);
  EXPECT_TRUE(std::all_of(z.data(), z.data() + 6, [](T value) { return value == 0; }));
}

}  // namespace
}  // namespace merganser::test
