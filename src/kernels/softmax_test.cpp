#include "kernels/softmax.h"

#include <gmock/gmock.h>

#include "kernels/exp_log.h"
#include "kernels/kernel_test.h"
#include "kernels/reference.h"

namespace merganser {
namespace {

TEST(ExpLog, AreThoseOfTheMathLibrary) {
  // 2 ulp.
  for (double x = -690; x < 3; x += 0.0317) {
    ASSERT_NEAR(exp_log::exp(x) / std::exp(x), 1, 4.5e-16) << x;
  }
  for (double x = 1e-9; x < 1e9; x *= 1.00173) {
    ASSERT_NEAR(exp_log::log(x), std::log(x), 4.5e-16 * std::abs(std::log(x))) << x;
  }
  EXPECT_EQ(exp_log::exp(0), 1);
  EXPECT_EQ(exp_log::log(1), 0);
  EXPECT_LT(exp_log::exp(-std::numeric_limits<double>::infinity()), 1e-300);
  EXPECT_TRUE(std::isnan(exp_log::exp(std::numeric_limits<double>::quiet_NaN())));
}

template <class T>
class Softmax : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Softmax, Types);

TYPED_TEST(Softmax, WrittenOut) {
  using T = TypeParam;
  // (1/4, 3/4) from (1/2, 1/2): ln(1/2)/4 + 3 ln(3/2)/4; whatever is added to a row.
  const T three = static_cast<T>(std::log(3.0));
  const std::vector<T> x = {5, 5 + three}, y = {-7, -7}, inf = {0, -x[0] / 0};
  on_every_target([&] {
    const double wanted = std::log(0.5) / 4 + std::log(1.5) * 3 / 4;
    EXPECT_NEAR(softmax_divergence(x.data(), y.data(), 2, 0), wanted, 1e-6);
    EXPECT_EQ(softmax_divergence(x.data(), x.data(), 2, 1e-8), 0);
    EXPECT_EQ(softmax_divergence(x.data(), y.data(), 1, 1e-8), 0);
    EXPECT_EQ(softmax_divergence(x.data(), y.data(), 0, 1e-8), 0);
    // exp(-inf) = 0: 1 ln 2 and a term of least.
    EXPECT_NEAR(softmax_divergence(inf.data(), y.data(), 2, 1e-8), std::log(2.0), 1e-6);
    const std::vector<T> bad = {1, -inf[1]};
    EXPECT_TRUE(std::isnan(softmax_divergence(bad.data(), y.data(), 2, 1e-8)));
    EXPECT_TRUE(std::isnan(softmax_divergence(y.data(), bad.data(), 2, 1e-8)));
  });
}

TYPED_TEST(Softmax, IsTheDivergence) {
  using T = TypeParam;
  for (const std::size_t n : {3, 100, 5000}) {
    for (const double deviation : {1.0, 0.01, 1e-4}) {
      auto x = test_values<T>(n, 1);
      const auto change = test_values<T>(n, 2);
      auto y = x;
      for (std::size_t i = 0; i < n; ++i) y[i] += static_cast<T>(deviation) * change[i];
      long double sums[2] = {}, wanted = 0;
      for (std::size_t i = 0; i < n; ++i) {
        sums[0] += std::exp(static_cast<long double>(x[i]));
        sums[1] += std::exp(static_cast<long double>(y[i]));
      }
      for (std::size_t i = 0; i < n; ++i) {
        const long double p = std::exp(static_cast<long double>(x[i])) / sums[0] + 1e-8L;
        const long double q = std::exp(static_cast<long double>(y[i])) / sums[1] + 1e-8L;
        wanted += p * std::log(p / q);
      }
      EXPECT_NEAR(softmax_divergence(x.data(), y.data(), n, 1e-8), static_cast<double>(wanted),
                  1e-15 + 1e-14 * static_cast<double>(wanted));
    }
  }
}

TYPED_TEST(Softmax, EqualsTheReference) {
  using T = TypeParam;
  on_every_target([] {
    for (const std::size_t n : test_sizes()) {
      for (const Values kind : {Values::ordinary, Values::special}) {
        const auto x = test_values<T>(n + 1, 1, kind), y = test_values<T>(n + 1, 2, kind);
        ASSERT_TRUE(same(softmax_divergence(x.data() + 1, y.data() + 1, n, 1e-8),
                         reference::softmax_divergence(x.data() + 1, y.data() + 1, n, 1e-8)))
            << n;
      }
    }
  });
}

}  // namespace
}  // namespace merganser
