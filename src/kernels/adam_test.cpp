#include "kernels/adam.h"

#include <gtest/gtest.h>

#include "kernels/kernel_test.h"
#include "kernels/reference.h"

namespace merganser {
namespace {

template <class T>
class Adam : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Adam, Types);

TYPED_TEST(Adam, WrittenOut) {
  using T = TypeParam;
  // The first step moves by the rate against the gradient's sign, whatever its size; a zero
  // gradient moves nothing.
  std::vector<T> g = {4, -1e-3, 0}, m(3), v(3), x = {1, 1, 1};
  adam(adam_step<T>(1, 0.25), g.data(), m.data(), v.data(), x.data(), 3);
  EXPECT_NEAR(x[0], 0.75, 1e-6);
  EXPECT_NEAR(x[1], 1.25, 1e-5);
  EXPECT_EQ(x[2], 1);
  EXPECT_NEAR(m[0], 0.4, 1e-6);
  EXPECT_NEAR(v[0], 0.016, 1e-7);
}

TYPED_TEST(Adam, FollowsTheFormulaOverManySteps) {
  using T = TypeParam;
  // Against the paper's form, in long double, on f(x) = (x - 3)^2.
  T x = 0, m = 0, v = 0;
  long double rx = 0, rm = 0, rv = 0;
  for (std::size_t step = 1; step <= 300; ++step) {
    const T g = 2 * (x - 3);
    adam(adam_step<T>(step, 0.01), &g, &m, &v, &x, 1);
    const long double rg = 2 * (rx - 3), k = static_cast<long double>(step);
    rm = 0.9L * rm + 0.1L * rg;
    rv = 0.999L * rv + 0.001L * rg * rg;
    const long double corrected = rm / (1 - std::pow(0.9L, k));
    rx -= 0.01L * corrected / (std::sqrt(rv / (1 - std::pow(0.999L, k))) + 1e-8L);
  }
  // Three hundred steps, each with a few roundings of numbers around 2.
  EXPECT_NEAR(static_cast<double>(x), static_cast<double>(rx),
              600 * std::numeric_limits<T>::epsilon());
}

TYPED_TEST(Adam, EqualsTheReference) {
  using T = TypeParam;
  on_every_target([] {
    for (const std::size_t n : test_sizes()) {
      const auto g = test_values<T>(n, 1, n % 2 == 0 ? Values::ordinary : Values::special);
      auto m = test_values<T>(n, 2), v = test_values<T>(n, 3), x = test_values<T>(n, 4);
      for (T& value : v) value = std::abs(value);
      auto m2 = m, v2 = v, x2 = x;
      const AdamStep<T> step = adam_step<T>(3, 0.1);
      adam(step, g.data(), m.data(), v.data(), x.data(), n);
      reference::adam(step, g.data(), m2.data(), v2.data(), x2.data(), n);
      ASSERT_TRUE(same(m, m2) && same(v, v2) && same(x, x2)) << n;
    }
  });
}

}  // namespace
}  // namespace merganser
