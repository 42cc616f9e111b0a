#include "kernels/dropout.h"

#include <gmock/gmock.h>

#include "kernels/kernel_test.h"
#include "kernels/reference.h"

namespace merganser {
namespace {

template <class T>
class Drop : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Drop, Types);

constexpr RandomStream kStream{0x0123456789ABCDEF, 0xFEDCBA9876543210};

template <class T>
void compare(std::size_t n, std::uint64_t first, std::uint64_t threshold) {
  const auto values = test_values<T>(n + 1, 1, Values::special);
  auto fast = values, slow = values;
  std::vector<std::uint8_t> mask(mask_bytes(n)), expected(mask_bytes(n));
  keep_mask(mask.data(), n, kStream, first, threshold);
  reference::keep_mask(expected.data(), n, kStream, first, threshold);
  for (std::size_t j = 0; j < n; ++j) {
    ASSERT_EQ(mask[j / 8] >> (j % 8) & 1, expected[j / 8] >> (j % 8) & 1)
        << j << " of " << n << " from " << first << ", threshold " << threshold;
  }
  apply_mask(fast.data() + 1, n, mask.data());
  reference::apply_mask(slow.data() + 1, 0, n, expected.data());
  ASSERT_TRUE(same(fast, slow)) << n << " from " << first << ", threshold " << threshold;
}

TYPED_TEST(Drop, EqualsKeeps) {
  on_every_target([] {
    for (const std::size_t n : test_sizes()) {
      compare<TypeParam>(n, 0, keep_threshold(0.1));
      compare<TypeParam>(n, 2048 * 77, keep_threshold(0.5));
      compare<TypeParam>(n, 2048 + n / 8 * 8, keep_threshold(0.73));
      compare<TypeParam>(n, 8, 0);
      compare<TypeParam>(n, 8, 1);
      compare<TypeParam>(n, 8, (std::uint64_t{1} << 32) - 1);
      compare<TypeParam>(n, 8, std::uint64_t{1} << 32);
    }
  });
}

TYPED_TEST(Drop, CarriesIntoTheCountersSecondWord) {
  const std::uint64_t carry = std::uint64_t{8} << 32;
  on_every_target([&] {
    for (std::uint64_t before = 0; before < 200; before += 8) {
      compare<TypeParam>(300, carry - before, keep_threshold(0.4));
    }
    compare<TypeParam>(300, 5 * carry + 16, keep_threshold(0.4));
  });
}

TEST(DrawBits, EqualDraw16WhereverTheyBegin) {
  const std::uint64_t carry = std::uint64_t{8} << 32;
  on_every_target([&] {
    for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{5}, 77 * carry, carry - 90}) {
      for (std::uint64_t n : {0, 1, 3, 8, 9, 100, 515}) {
        std::vector<std::uint16_t> draws(draws_size(n));
        draw_bits(draws.data(), n, kStream, first + n);
        for (std::size_t j = 0; j < n; ++j) {
          ASSERT_EQ(draws[(first + n) % 8 + j], draw16(kStream, first + n + j)) << j << " of " << n;
        }
      }
    }
  });
}

// A threshold whose upper half is some element's draw, so that its second draw decides.
TYPED_TEST(Drop, Refines) {
  on_every_target([] {
    for (std::uint64_t element = 0; element < 64; ++element) {
      const std::uint64_t upper = draw16(kStream, element), lower = draw16(kStream, element, true);
      compare<TypeParam>(64, 0, upper << 16 | lower);
      compare<TypeParam>(64, 0, (upper << 16 | lower) + 1);
    }
  });
}

}  // namespace
}  // namespace merganser
