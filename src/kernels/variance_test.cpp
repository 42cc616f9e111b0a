#include "kernels/variance.h"

#include <gmock/gmock.h>

#include "kernels/kernel_test.h"
#include "kernels/reference.h"

namespace merganser {
namespace {

template <class T>
class Variance : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Variance, Types);

TYPED_TEST(Variance, WrittenOut) {
  using T = TypeParam;
  // 1, 2, 3: 2/3; 0.1 three times: nothing, although a third of the sum is not 0.1; 0, 0, 3: 2.
  std::vector<T> a = {1, T(0.1), 0}, b = {2, T(0.1), 0}, c = {3, T(0.1), 3};
  const std::vector<T*> x = {a.data(), b.data(), c.data()};
  on_every_target([&] {
    std::vector<T> out(3);
    EXPECT_EQ(variance<T>(x, out.data(), 3), 2u);
    EXPECT_THAT(out, ::testing::ElementsAre(static_cast<T>(2.0 / 3), 0, 2));
    EXPECT_EQ(variance<T>({x.data(), 1}, out.data(), 3), 0u);
    EXPECT_THAT(out, ::testing::ElementsAre(0, 0, 0));
  });
}

TYPED_TEST(Variance, EqualsTheReference) {
  using T = TypeParam;
  on_every_target([] {
    for (const std::size_t n : test_sizes()) {
      for (const std::size_t models : {1, 2, 3, 5}) {
        for (const Values kind : {Values::ordinary, Values::special}) {
          std::vector<std::vector<T>> data;
          std::vector<T*> x;
          for (std::size_t i = 0; i < models; ++i) {
            data.push_back(test_values<T>(n + 1, static_cast<unsigned>(i), kind));
          }
          for (auto& values : data) x.push_back(values.data() + 1);
          for (std::size_t j = 0; j < n; j += 3) {
            for (T* values : x) values[j] = x[0][j];
          }
          std::vector<T> fast(n), slow(n);
          ASSERT_EQ(variance<T>(x, fast.data(), n), reference::variance<T>(x, slow.data(), n));
          ASSERT_TRUE(same(fast, slow)) << n;
          variance<T>(x, x.back(), n);  // in place
          ASSERT_TRUE(same(std::vector<T>(x.back(), x.back() + n), slow)) << n;
        }
      }
    }
  });
}

}  // namespace
}  // namespace merganser
