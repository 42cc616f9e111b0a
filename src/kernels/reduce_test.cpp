#include "kernels/reduce.h"

#include <gmock/gmock.h>

#include "kernels/dropout.h"
#include "kernels/kernel_test.h"
#include "kernels/reference.h"

namespace merganser {
namespace {

template <class T>
class Reduce : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Reduce, Types);

TYPED_TEST(Reduce, WrittenOut) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  const std::vector<T> a = {1, -2, 3}, b = {4, 5, -6}, odd = {1, inf, -inf, inf - inf, 0};
  on_every_target([&] {
    EXPECT_EQ(sum_abs(a.data(), 3), 6);
    EXPECT_EQ(dot(a.data(), b.data(), 3), -24);
    EXPECT_EQ(count_nonfinite(odd.data(), 5), 3u);
    const Difference d = difference(a.data(), b.data(), 3);
    EXPECT_EQ(d.dot, -24);
    EXPECT_EQ(d.norm_a2, 14);
    EXPECT_EQ(d.norm_b2, 77);
    EXPECT_EQ(d.diff2, 9 + 49 + 81);
    EXPECT_EQ(d.max_abs, 9);
  });
}

// 16 lanes, folded in a tree: written out once, apart from the reference.
TYPED_TEST(Reduce, SumsInSixteenLanes) {
  using T = TypeParam;
  const auto x = test_values<T>(1000, 5);
  double lane[16] = {};
  for (std::size_t i = 0; i < x.size(); ++i) lane[i % 16] += std::abs(double{x[i]});
  double eight[8], four[4];
  for (int i = 0; i < 8; ++i) eight[i] = lane[i] + lane[i + 8];
  for (int i = 0; i < 4; ++i) four[i] = eight[i] + eight[i + 4];
  const double expected = (four[0] + four[2]) + (four[1] + four[3]);
  on_every_target([&] { EXPECT_EQ(sum_abs(x.data(), x.size()), expected); });
}

// What a mask leaves out adds nothing, so the sum is that of the masked numbers, bit for bit.
TYPED_TEST(Reduce, MaskedSumsEqualThoseOfMaskedNumbers) {
  using T = TypeParam;
  std::mt19937 generator(3);
  on_every_target([&] {
    for (const std::size_t n : test_sizes()) {
      for (const Values kind : {Values::ordinary, Values::special}) {
        auto x = test_values<T>(n + 1, 1, kind);
        std::vector<std::uint8_t> bits(mask_bytes(n));
        for (auto& byte : bits) byte = static_cast<std::uint8_t>(generator());
        const MaskedSum fast = sum_abs(x.data() + 1, n, bits.data());
        const MaskedSum slow = reference::sum_abs(x.data() + 1, n, bits.data());
        ASSERT_TRUE(same(fast.whole, slow.whole)) << n;
        ASSERT_TRUE(same(fast.kept, slow.kept)) << n;
        ASSERT_TRUE(same(fast.whole, sum_abs(x.data() + 1, n))) << n;
        apply_mask(x.data() + 1, n, bits.data());
        ASSERT_TRUE(same(fast.kept, sum_abs(x.data() + 1, n))) << n;
      }
    }
  });
}

TYPED_TEST(Reduce, EqualsTheReference) {
  using T = TypeParam;
  on_every_target([] {
    for (const std::size_t n : test_sizes()) {
      for (const Values kind : {Values::ordinary, Values::special}) {
        const auto a = test_values<T>(n + 1, 1, kind), b = test_values<T>(n + 1, 2, kind);
        const T *x = a.data() + 1, *y = b.data() + 1;
        ASSERT_TRUE(same(sum_abs(x, n), reference::sum_abs(x, n))) << n;
        ASSERT_TRUE(same(dot(x, y, n), reference::dot(x, y, n))) << n;
        ASSERT_EQ(count_nonfinite(x, n), reference::count_nonfinite(x, n)) << n;
        const Difference fast = difference(x, y, n), slow = reference::difference(x, y, n);
        ASSERT_TRUE(same(fast.dot, slow.dot)) << n;
        ASSERT_TRUE(same(fast.norm_a2, slow.norm_a2)) << n;
        ASSERT_TRUE(same(fast.norm_b2, slow.norm_b2)) << n;
        ASSERT_TRUE(same(fast.diff2, slow.diff2)) << n;
        ASSERT_TRUE(same(fast.max_abs, slow.max_abs)) << n;
      }
    }
  });
}

}  // namespace
}  // namespace merganser
