#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

template <class T>
class TensorSum : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(TensorSum, Types);

Settings with(double width, double offset = 0) {
  return settings_of("tensor_sum", {{"width", width}, {"offset", offset}}, {{}});
}

// Rows of the model as 1, those of the base as 0.
template <class T>
std::vector<T> rows_of_the_model(std::size_t rows, double width, double offset) {
  return merge_one<T>("tensor_sum",
                      {std::vector<T>(rows), {std::vector<T>(rows, 1)}, with(width, offset)});
}

TYPED_TEST(TensorSum, WrittenOut) {
  using T = TypeParam;
  using V = std::vector<T>;
  EXPECT_EQ(rows_of_the_model<T>(5, 0.4, 0), (V{1, 1, 0, 0, 0}));
  EXPECT_EQ(rows_of_the_model<T>(5, 0.4, 0.2), (V{0, 1, 1, 0, 0}));
  EXPECT_EQ(rows_of_the_model<T>(5, 0.4, 0.8), (V{1, 0, 0, 0, 1}));   // around the end
  EXPECT_EQ(rows_of_the_model<T>(5, -0.4, 0.8), (V{0, 0, 1, 1, 0}));  // ends at the offset
  EXPECT_EQ(rows_of_the_model<T>(5, 0.4, -0.2), (V{1, 0, 0, 0, 1}));
  EXPECT_EQ(rows_of_the_model<T>(5, 0.4, 3.2), (V{0, 1, 1, 0, 0}));
  EXPECT_EQ(rows_of_the_model<T>(5, 3, 0.4), (V{1, 1, 1, 1, 1}));
  EXPECT_EQ(rows_of_the_model<T>(5, 0, 0.4), (V{0, 0, 0, 0, 0}));
  EXPECT_EQ(rows_of_the_model<T>(5, 0.5, 0), (V{1, 1, 0, 0, 0}));  // 2.5 to even
  EXPECT_EQ(rows_of_the_model<T>(1, 0.6, 0), (V{1}));
  EXPECT_EQ(rows_of_the_model<T>(1, 0.4, 0), (V{0}));
  EXPECT_EQ(rows_of_the_model<T>(0, 0.4, 0), V{});
}

TYPED_TEST(TensorSum, TakesWholeRows) {
  using T = TypeParam;
  // Rows across blocks; a window that begins and ends inside one.
  const Shape shape = {7, 11, 90};
  const std::size_t n = elements(shape), row = 990;
  const auto a = normal<T>(n, 1), b = normal<T>(n, 2);
  for (const double offset : {2.0 / 7, 5.0 / 7}) {
    auto expected = a;
    for (std::size_t k = 0; k < 3; ++k) {
      const std::size_t at = (static_cast<std::size_t>(std::lround(offset * 7)) + k) % 7;
      std::copy_n(b.begin() + at * row, row, expected.begin() + at * row);
    }
    EXPECT_TRUE(same_bits(merge_one<T>("tensor_sum", {a, {b}, with(3.0 / 7, offset), "w", shape}),
                          expected));
  }
}

TEST(TensorSumOutline, CopiesWhereOneModelGivesAll) {
  const Descriptor& method = require_method("tensor_sum");
  EXPECT_EQ(outline_of(method, with(1)).copy, 0u);
  EXPECT_EQ(outline_of(method, with(1, 0.5)).copy, 0u);
  EXPECT_EQ(outline_of(method, with(0, 0.5)).copy, Outline::kCopyBase);
  EXPECT_EQ(outline_of(method, with(0.01)).copy, Outline::kCopyBase);  // less than half a row
  EXPECT_EQ(outline_of(method, with(0.5)).copy, Outline::kNoCopy);
  EXPECT_EQ(outline_of(method, with(0.6), {}).copy, 0u);
  EXPECT_EQ(outline_of(method, with(0.5), {}).copy, Outline::kCopyBase);
}

}  // namespace
}  // namespace merganser::test
