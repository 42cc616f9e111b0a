#include "kernels/rank_bins.h"

#include <gmock/gmock.h>

#include <array>

#include "kernels/kernel_test.h"
#include "kernels/rank_testing.h"

namespace merganser {
namespace {

using ::testing::ElementsAre;

std::vector<std::uint8_t> bins_of(const std::vector<float>& x, std::int64_t offset) {
  std::vector<std::uint8_t> bins(x.size());
  find_bins(x.data(), x.size(), offset, bins.data());
  return bins;
}

TEST(RankBins, AreSteppedByMagnitude) {
  // One is the exponent 127, 32 steps to the octave.
  const std::int64_t one = 127 * 32;
  on_every_target([&] {
    const float inf = std::numeric_limits<float>::infinity();
    EXPECT_THAT(bins_of({1, -1, 2, 1.5, 0.5, 0, -0.0f, 1e-30f, inf, 256, 1.03f, 1.04f}, one - 100),
                ElementsAre(100, 100, 132, 116, 68, 0, 0, 1, 255, 255, 100, 101));
  });
}

TEST(RankBins, MeanStepIsAMiddlingMagnitude) {
  on_every_target([] {
    const std::vector<float> equal(1000, -2);
    EXPECT_EQ(mean_step(equal.data(), equal.size()), 128 * 32);
    EXPECT_EQ(mean_step(equal.data(), 100), 128 * 32);
    std::vector<float> half = equal;
    for (std::size_t i = 0; i < half.size(); i += 2) half[i] = 0;
    EXPECT_EQ(mean_step(half.data(), half.size()), 128 * 32);
    const std::vector<float> zeros(1000, 0);
    EXPECT_EQ(mean_step(zeros.data(), zeros.size()), 0);
    const std::vector<double> doubles(1000, 2);
    EXPECT_EQ(mean_step(doubles.data(), doubles.size()), 1024 * 32);
  });
}

template <class T>
void same_bins() {
  for (const auto& distribution : rank_distributions<T>()) {
    for (const std::size_t n : test_sizes()) {
      const auto x = distribution.make(n);
      for (const std::int64_t offset : {-100, 0, 3800, 4000, 32000}) {
        std::vector<std::uint8_t> bins(n);
        find_bins(x.data(), n, offset, bins.data());
        for (std::size_t i = 0; i < n; ++i) {
          if (x[i] == 0 || !std::isnormal(x[i])) {
            ASSERT_EQ(bins[i] == 0, x[i] == 0);
            continue;
          }
          const int octave = std::ilogb(x[i]), bias = sizeof(T) == 4 ? 127 : 1023;
          const T part = std::abs(std::scalbn(x[i], -octave)) - 1;
          const auto step = 32 * (octave + bias) + static_cast<std::int64_t>(part * 32);
          ASSERT_EQ(bins[i], std::clamp<std::int64_t>(step - offset, 1, 255)) << x[i];
        }
      }
    }
  }
}

TEST(RankBins, EqualTheirDefinition) {
  on_every_target([] {
    same_bins<float>();
    same_bins<double>();
  });
}

std::vector<std::uint16_t> some_draws(std::size_t n) {
  std::mt19937 generator(9);
  std::vector<std::uint16_t> draws((n + 63) / 64 * 64);
  for (auto& draw : draws) {
    draw =
        static_cast<std::uint16_t>(generator() % 3 == 0 ? generator() % 4 * 0x5555 : generator());
  }
  return draws;
}

TEST(RankBins, SplitsDraws) {
  on_every_target([] {
    for (const std::size_t n : test_sizes()) {
      const auto draws = some_draws(n);
      for (const auto& [low, high] : {std::pair{0, 0xFFFF},
                                      {0x5555, 0x5555},
                                      {0x5556, 0xAAA9},
                                      {0, 0},
                                      {0xFFFF, 0xFFFF},
                                      {0x8000, 0x8001}}) {
        std::vector<std::uint64_t> kept((n + 63) / 64), undecided((n + 63) / 64);
        std::size_t expected = 0;
        const std::size_t count =
            split_draws(draws.data(), n, static_cast<std::uint16_t>(low),
                        static_cast<std::uint16_t>(high), kept.data(), undecided.data());
        for (std::size_t i = 0; i < draws.size(); ++i) {
          const bool between = i < n && draws[i] >= low && draws[i] <= high;
          ASSERT_EQ(undecided[i / 64] >> (i % 64) & 1, between);
          if (i < n) {
            ASSERT_EQ(kept[i / 64] >> (i % 64) & 1, draws[i] < low);
          }
          expected += between;
        }
        ASSERT_EQ(count, expected);
      }
    }
  });
}

TEST(RankBins, ComparesWithTheEdgesOfBins) {
  // Three bins; 0 is that of the zeros.
  std::array<std::int32_t, kRankBins + 1> edges{};
  edges[1] = 100;
  edges[2] = 0x8000;
  edges[3] = 0xFFFF;
  on_every_target([&] {
    for (const std::size_t n : test_sizes()) {
      const auto draws = some_draws(n);
      std::vector<std::uint8_t> bins(draws.size());
      for (std::size_t i = 0; i < n; ++i) bins[i] = static_cast<std::uint8_t>(i % 7 % 3);
      const std::size_t words = draws.size() / 64;
      std::vector<std::uint64_t> kept(words, 1), undecided(words);
      for (std::size_t i = 0; i < n; ++i)
        undecided[i / 64] |= std::uint64_t{i % 5 != 3} << (i % 64);
      std::vector<std::uint32_t> ambiguous(n + 1), expected;
      const std::size_t count = compare_edges(draws.data(), bins.data(), words, edges.data(),
                                              undecided.data(), kept.data(), ambiguous.data());
      ambiguous.resize(count);
      for (std::uint32_t i = 0; i < n; ++i) {
        const bool asked = i % 5 != 3 && bins[i] != 0;
        const bool below = draws[i] < edges[bins[i]];
        ASSERT_EQ(kept[i / 64] >> (i % 64) & 1, (asked && below) || i % 64 == 0) << i;
        if (asked && !below && draws[i] <= edges[bins[i] + 1u] + 1) expected.push_back(i);
      }
      ASSERT_EQ(ambiguous, expected);
    }
  });
}

TEST(RankBins, FindsMembers) {
  on_every_target([] {
    for (const std::size_t n : test_sizes()) {
      std::vector<std::uint8_t> bins((n + 63) / 64 * 64);
      for (std::size_t i = 0; i < bins.size(); ++i) {
        bins[i] = static_cast<std::uint8_t>(i * i % 11 < 6 ? 200 : i % 3);
      }
      for (const std::uint8_t bin : {0, 1, 2, 3, 200}) {
        std::vector<std::uint32_t> members(n + 3), expected;
        members.resize(find_members(bins.data(), n, bin, members.data()));
        for (std::uint32_t i = 0; i < n; ++i) {
          if (bins[i] == bin) expected.push_back(i);
        }
        ASSERT_EQ(members, expected);
      }
    }
  });
}

}  // namespace
}  // namespace merganser
