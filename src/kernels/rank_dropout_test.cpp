#include "kernels/rank_dropout.h"

#include <gtest/gtest.h>

#include "kernels/dropout.h"
#include "kernels/kernel_test.h"
#include "kernels/rank_testing.h"

namespace merganser {
namespace {

constexpr RandomStream kStream{0x0123456789ABCDEF, 0xFEDCBA9876543210};

template <class T>
class RankDropout : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(RankDropout, Types);

// With full ranks, by keeps().
template <class T>
void compare(const std::vector<T>& x, const std::vector<std::uint32_t>& ranks, double density,
             double epsilon, std::uint64_t first, RankDropoutScratch<T>& scratch) {
  const std::size_t n = x.size();
  const RankProbability p(density, epsilon, n);
  std::vector<std::uint16_t> draws(draws_size(n));
  draw_bits(draws.data(), n, kStream, first);
  std::vector<std::uint8_t> bits(mask_bytes(n));
  keep_by_rank(bits.data(), x.data(), n, p, draws.data() + first % 8, kStream, first, scratch);
  for (std::size_t i = 0; i < n; ++i) {
    if (x[i] == 0) continue;
    ASSERT_EQ((bits[i / 8] >> (i % 8) & 1) != 0, keeps(kStream, first + i, p.threshold(ranks[i])))
        << i << " of " << n << " from " << first << ", " << density << " +- " << epsilon;
  }
}

TYPED_TEST(RankDropout, EqualsASortForAnyDistribution) {
  using T = TypeParam;
  on_every_target([] {
    RankDropoutScratch<T> scratch;
    for (const auto& distribution : rank_distributions<T>()) {
      SCOPED_TRACE(distribution.name);
      for (const std::size_t n : {1u, 2u, 3u, 63u, 64u, 65u, 127u, 511u, 1037u, 2048u, 5001u}) {
        const auto x = distribution.make(n);
        const auto ranks = sorted_ranks(x);
        compare(x, ranks, 0.5, 0.15, 0, scratch);
        compare(x, ranks, 0.5, 0.4999, 3 * n, scratch);
        compare(x, ranks, 0.2, 0.15, 5 * n + 3, scratch);
        compare(x, ranks, 0.9, 0.05, 7, scratch);
      }
    }
  });
}

// Long rows have bins in which hundreds of ranks are wanted.
TYPED_TEST(RankDropout, EqualsASortForLongRows) {
  using T = TypeParam;
  RankDropoutScratch<T> scratch;
  for (const auto& distribution : rank_distributions<T>()) {
    SCOPED_TRACE(distribution.name);
    const auto x = distribution.make(60000);
    const auto ranks = sorted_ranks(x);
    for (std::uint64_t turn = 0; turn < 4; ++turn) {
      compare(x, ranks, 0.5, 0.15, turn * x.size(), scratch);
    }
  }
}

TYPED_TEST(RankDropout, EqualsASortForExtremeProbabilities) {
  using T = TypeParam;
  RankDropoutScratch<T> scratch;
  for (const std::size_t n : {7u, 100u, 3000u}) {
    const auto x = test_values<T>(n, 3);
    const auto ranks = sorted_ranks(x);
    for (const auto& [density, epsilon] : {std::pair{0.5, 0.0},
                                           {0.5, 1e-12},
                                           {0.5, 1e-5},
                                           {1e-12, 0.0},
                                           {1 - 1e-16, 0.0},
                                           {0.5, 0.5 - 1e-12},
                                           {1e-6, 0.9e-6},
                                           {1 - 1e-6, 0.9e-6}}) {
      compare(x, ranks, density, epsilon, 11, scratch);
    }
  }
}

// With epsilon 0 it is plain dropping.
TYPED_TEST(RankDropout, WithoutEpsilonIsDropout) {
  using T = TypeParam;
  const std::size_t n = 3000;
  const auto x = test_values<T>(n, 3);
  RankDropoutScratch<T> scratch;
  std::vector<std::uint16_t> draws(draws_size(n));
  std::vector<std::uint8_t> bits(mask_bytes(n)), expected(mask_bytes(n));
  for (const double density : {0.1, 0.5, 0.73}) {
    draw_bits(draws.data(), n, kStream, 16);
    keep_by_rank(bits.data(), x.data(), n, RankProbability(density, 0, n), draws.data(), kStream,
                 16, scratch);
    keep_mask(expected.data(), n, kStream, 16, keep_threshold(density));
    bits.resize(n / 8);
    expected.resize(n / 8);
    EXPECT_EQ(bits, expected);
    bits.resize(mask_bytes(n));
    expected.resize(mask_bytes(n));
  }
}

TEST(RankProbability, IsAStraightLine) {
  const RankProbability p(0.5, 0.25, 5);
  const std::vector<double> expected = {0.25, 0.375, 0.5, 0.625, 0.75};
  for (std::uint64_t rank = 1; rank <= 5; ++rank) {
    EXPECT_EQ(p.at(rank), expected[rank - 1]);
    EXPECT_EQ(p.threshold(rank), static_cast<std::uint64_t>(expected[rank - 1] * 4294967296.0));
  }
}

TEST(RankProbability, OfARowOfOneIsTheDensity) {
  EXPECT_EQ(RankProbability(0.3, 0.15, 1).at(1), 0.3);
  EXPECT_EQ(RankProbability(0.3, 0.15, 0).low, 0.3);
}

TEST(RankProbability, ThresholdsStayInRange) {
  const std::uint64_t most = std::uint64_t{1} << 32;
  EXPECT_EQ(RankProbability(0.75, 0.25, 1000).threshold(1000), most);
  EXPECT_EQ(RankProbability(0.25, 0.25, 1000).threshold(1), 0u);
  std::uint64_t last = 0;
  for (std::uint64_t rank = 1; rank <= 1000; ++rank) {
    const std::uint64_t threshold = RankProbability(0.37, 0.21, 1000).threshold(rank);
    EXPECT_LE(last, threshold);
    last = threshold;
  }
}

}  // namespace
}  // namespace merganser
