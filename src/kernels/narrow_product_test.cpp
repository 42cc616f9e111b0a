#include "kernels/narrow_product.h"

#include <algorithm>

#include "kernels/kernel_test.h"

namespace merganser {
namespace {

template <class T>
class NarrowProducts : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(NarrowProducts, Types);

// 7 + [[1, 2, 3], [4, 5, 6]] b, b[k] all k + 1; and 7 + its transpose.
TYPED_TEST(NarrowProducts, WrittenOut) {
  using T = TypeParam;
  const std::vector<T> a = {1, 2, 3, -1, 4, 5, 6, -1};  // rows 4 apart
  const std::size_t width = kNarrowUnit<T>;
  std::vector<T> b;
  for (const int row : {1, 2, 3}) b.insert(b.end(), width, static_cast<T>(row));
  on_every_target([&] {
    std::vector<T> c(2 * width, T{7});
    add_narrow_product<T>({a.data(), 2, 3, 4, width}, b.data(), c.data());
    for (std::size_t w = 0; w < width; ++w) EXPECT_EQ(c[w], 7 + 1 + 4 + 9);
    for (std::size_t w = 0; w < width; ++w) EXPECT_EQ(c[width + w], 7 + 4 + 10 + 18);
    c.assign(3 * width, T{7});
    add_transposed_narrow_product<T>({a.data(), 2, 3, 4, width}, b.data(), c.data());
    for (std::size_t w = 0; w < width; ++w) EXPECT_EQ(c[w], 7 + 1 + 8);
    for (std::size_t w = 0; w < width; ++w) EXPECT_EQ(c[2 * width + w], 7 + 3 + 12);
  });
}

// Numbers of a few bits: every sum is exact, so any order and fusing gives the same.
TYPED_TEST(NarrowProducts, EqualThePlainSums) {
  using T = TypeParam;
  on_every_target([] {
    std::mt19937 generator(1);
    const auto draw = [&] { return static_cast<T>(static_cast<int>(generator() % 17) - 8); };
    for (const std::size_t units : {1, 2, 3, 4, 5, 7}) {
      for (const std::size_t rows : {0, 1, 7, 8, 9, 21}) {
        for (const std::size_t cols : {0, 1, 4, 8, 13, 33}) {
          const std::size_t width = units * kNarrowUnit<T>, stride = cols + 3;
          std::vector<T> a(rows * stride), b(std::max(rows, cols) * width);
          std::generate(a.begin(), a.end(), draw);
          std::generate(b.begin(), b.end(), draw);
          std::vector<T> c(rows * width, T{3}), expected = c;
          std::vector<T> ct(cols * width, T{5}), expected_t = ct;
          for (std::size_t i = 0; i < rows; ++i) {
            for (std::size_t j = 0; j < cols; ++j) {
              for (std::size_t w = 0; w < width; ++w) {
                expected[i * width + w] += a[i * stride + j] * b[j * width + w];
                expected_t[j * width + w] += a[i * stride + j] * b[i * width + w];
              }
            }
          }
          const NarrowProduct<T> product{a.data(), rows, cols, stride, width};
          add_narrow_product(product, b.data(), c.data());
          add_transposed_narrow_product(product, b.data(), ct.data());
          ASSERT_TRUE(same(c, expected)) << rows << " x " << cols << " by " << width;
          ASSERT_TRUE(same(ct, expected_t)) << rows << " x " << cols << " by " << width;
        }
      }
    }
  });
}

}  // namespace
}  // namespace merganser
