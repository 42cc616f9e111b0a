#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

Settings within(double t) { return settings_of("nearswap", {{"t", t}}, {{}}); }

template <class T>
class NearSwap : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(NearSwap, Types);

TYPED_TEST(NearSwap, WrittenOut) {
  using T = TypeParam;
  // Distances 0, 1/4, 1/2, 2, -4 and t = 1/2: taken, taken, taken, 1/4 of the way, 1/8 of it.
  EXPECT_EQ(merge_one<T>("nearswap", {{1, 1, 1, 1, 1}, {{1, 1.25, 1.5, 3, -3}}, within(0.5)}),
            (std::vector<T>{1, 1.25, 1.5, 1.5, 0.5}));
  EXPECT_EQ(merge_one<T>("nearswap", {{}, {{}}, within(0.5)}), std::vector<T>{});
}

TYPED_TEST(NearSwap, EqualsReference) {
  using T = TypeParam;
  for (const std::size_t n : odd_sizes()) {
    for (const double t : {1e-7, 0.01, 0.7, 10.0}) {
      SCOPED_TRACE(testing::Message() << n << ' ' << t);
      const auto a = normal<T>(n, 1), x = normal<T>(n, 2);
      std::vector<Term> terms(n);
      for (std::size_t i = 0; i < n; ++i) {
        const Exact distance = std::max<Exact>(std::abs(Exact{a[i]} - x[i]), 1e-6L);
        const Exact share = std::min<Exact>(1, t / distance);
        terms[i].add(share * x[i]);
        terms[i].add((1 - share) * a[i]);
        terms[i].size += std::abs(a[i]);  // 1 - s is rounded as 1 is
      }
      // t, the difference, the quotient, 1 - s, a product, a sum.
      expect_rounded(merge_one<T>("nearswap", {a, {x}, within(t)}), terms, 6);
    }
  }
}

TYPED_TEST(NearSwap, SmallDistancesDivideAs1eMinus6) {
  using T = TypeParam;
  const T x = static_cast<T>(1e-7);
  const auto y = merge_one<T>("nearswap", {{0}, {{x}}, within(5e-7)});
  EXPECT_NEAR(y[0] / 1e-7, 0.5, 1e-6);
}

TEST(NearSwapOutline, WithoutReachTheBaseIsCopied) {
  const Descriptor& method = require_method("nearswap");
  EXPECT_EQ(outline_of(method, within(0)).copy, Outline::kCopyBase);
  EXPECT_EQ(outline_of(method, within(-1)).copy, Outline::kCopyBase);
  EXPECT_EQ(outline_of(method, within(1e-9)).copy, Outline::kNoCopy);
  EXPECT_EQ(outline_of(method, within(1e-9)).sweeps, 1u);
}

}  // namespace
}  // namespace merganser::test
