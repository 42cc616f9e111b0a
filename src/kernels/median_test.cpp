#include "kernels/median.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "kernels/kernel_test.h"
#include "kernels/reference.h"

namespace merganser {
namespace {

template <class T>
class Median : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Median, Types);

template <class T>
std::vector<const T*> pointers(const std::vector<std::vector<T>>& spans, std::size_t offset = 0) {
  std::vector<const T*> x;
  for (const auto& span : spans) x.push_back(span.data() + offset);
  return x;
}

TYPED_TEST(Median, WrittenOut) {
  using T = TypeParam;
  const std::vector<std::vector<T>> spans = {{1, 5, -1}, {2, 5, -3}, {3, 0, -2}};
  std::vector<T> out(3);
  on_every_target([&] {
    median<T>(pointers(spans), out.data(), 3);
    EXPECT_THAT(out, ::testing::ElementsAre(2, 5, -2));
    median<T>(pointers<T>({{7, 8, 9}}), out.data(), 3);
    EXPECT_THAT(out, ::testing::ElementsAre(7, 8, 9));
  });
}

// Against a sort, which knows nothing of bits.
TYPED_TEST(Median, ReferenceIsTheMiddleOfTheSorted) {
  using T = TypeParam;
  for (const std::size_t count : {1, 3, 5, 9, 27, 81}) {
    std::vector<std::vector<T>> spans;
    for (std::size_t k = 0; k < count; ++k) {
      spans.push_back(test_values<T>(40, static_cast<unsigned>(k)));
    }
    std::vector<T> out(40);
    reference::median<T>(pointers(spans), out.data(), 40);
    for (std::size_t i = 0; i < 40; ++i) {
      std::vector<T> column;
      for (const auto& span : spans) column.push_back(span[i]);
      std::sort(column.begin(), column.end());
      EXPECT_EQ(out[i], column[count / 2]) << count << " spans, element " << i;
    }
  }
}

TYPED_TEST(Median, OrdersZerosAndNaNsBySign) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN(), inf = std::numeric_limits<T>::infinity();
  on_every_target([&] {
    T out = 0;
    median<T>(pointers<T>({{T{0}}, {-T{0}}, {-T{0}}}), &out, 1);
    EXPECT_TRUE(std::signbit(out));
    median<T>(pointers<T>({{nan}, {-inf}, {inf}}), &out, 1);
    EXPECT_EQ(out, inf);
    median<T>(pointers<T>({{-nan}, {-inf}, {inf}}), &out, 1);
    EXPECT_EQ(out, -inf);
  });
}

TYPED_TEST(Median, EqualsTheReference) {
  using T = TypeParam;
  on_every_target([] {
    for (const std::size_t count : {1, 3, 5, 9, 27, 81, 243, 245}) {
      for (const std::size_t n : {0, 1, 3, 7, 8, 15, 16, 33, 70}) {
        for (const Values kind : {Values::ordinary, Values::special}) {
          std::vector<std::vector<T>> spans;
          for (std::size_t k = 0; k < count; ++k) {
            spans.push_back(test_values<T>(n + 1, static_cast<unsigned>(k), kind));
          }
          std::vector<T> fast(n + 1, 7), slow(n + 1, 7);
          median<T>(pointers(spans, 1), fast.data(), n);
          reference::median<T>(pointers(spans, 1), slow.data(), n);
          ASSERT_TRUE(same(fast, slow)) << count << " spans of " << n;
        }
      }
    }
  });
}

}  // namespace
}  // namespace merganser
