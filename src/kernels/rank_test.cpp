#include "kernels/rank.h"

#include <gmock/gmock.h>

#include "kernels/kernel_test.h"
#include "kernels/rank_testing.h"

namespace merganser {
namespace {

using ::testing::ElementsAre;

template <class T>
class Rank : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Rank, Types);

template <class T>
std::vector<std::uint32_t> ranks_of(const std::vector<T>& x) {
  std::vector<std::uint32_t> ranks(x.size());
  RankScratch<T> scratch;
  rank_magnitudes(x.data(), x.size(), ranks.data(), scratch);
  return ranks;
}

TYPED_TEST(Rank, WrittenOut) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  EXPECT_THAT(ranks_of<T>({3, -1, 1, 0, -3, 2}), ElementsAre(5, 2, 3, 1, 6, 4));
  EXPECT_THAT(ranks_of<T>({nan, inf, -inf, 1}), ElementsAre(4, 2, 3, 1));
  EXPECT_THAT(ranks_of<T>({5}), ElementsAre(1));
  EXPECT_THAT(ranks_of<T>({}), ElementsAre());
}

TYPED_TEST(Rank, EqualsAStableSort) {
  using T = TypeParam;
  for (const std::size_t n : test_sizes()) {
    for (const auto& distribution : rank_distributions<T>()) {
      const auto x = distribution.make(n);
      ASSERT_EQ(ranks_of(x), sorted_ranks(x)) << distribution.name << ' ' << n;
    }
  }
}

TYPED_TEST(Rank, OneRankEqualsAStableSort) {
  using T = TypeParam;
  on_every_target([] {
    for (const std::size_t n : {1u, 2u, 15u, 31u, 32u, 33u, 64u, 100u, 129u}) {
      for (const auto& distribution : rank_distributions<T>()) {
        const auto x = distribution.make(n + 1);
        const std::vector<T> tail(x.begin() + 1, x.end());  // an awkward address
        const auto expected = sorted_ranks(tail);
        for (std::size_t i = 0; i < n; ++i) {
          ASSERT_EQ(rank_of(x.data() + 1, n, i), expected[i]) << distribution.name << ' ' << n;
        }
      }
    }
  });
}

TYPED_TEST(Rank, RanksOfEqualsEqualAStableSort) {
  using T = TypeParam;
  on_every_target([] {
    for (const std::size_t n : {1u, 2u, 33u, 129u, 1037u}) {
      for (const auto& distribution : rank_distributions<T>()) {
        const auto x = distribution.make(n);
        const auto all = sorted_ranks(x);
        for (const std::size_t of : {std::size_t{0}, n / 3, n - 1}) {
          std::vector<std::uint32_t> entries, expected;
          for (std::uint32_t i = 0; i < n; ++i) {
            const bool equal = std::abs(x[i]) == std::abs(x[of]) || (x[i] != x[i] && i == of);
            if (!equal || i % 3 == 1) continue;
            entries.push_back(i);
            expected.push_back(all[i]);
          }
          std::vector<std::uint32_t> ranks(entries.size());
          rank_equals(x.data(), n, entries, ranks.data());
          ASSERT_EQ(ranks, expected) << distribution.name << ' ' << n << ' ' << of;
        }
      }
    }
  });
}

TYPED_TEST(Rank, TheLargestNumberOfAll) {
  using T = TypeParam;
  // A NaN of all ones: nothing is above it.
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  const T all_ones = std::bit_cast<T>(static_cast<Bits>(~Bits{0} >> 1));
  std::vector<T> x(40, T{1});
  x[7] = x[30] = all_ones;
  on_every_target([&] {
    EXPECT_EQ(rank_of(x.data(), x.size(), 7), 39u);
    EXPECT_EQ(rank_of(x.data(), x.size(), 30), 40u);
    EXPECT_EQ(rank_of(x.data(), x.size(), 39), 38u);
  });
}

}  // namespace
}  // namespace merganser
