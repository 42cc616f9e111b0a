#include "analyze/magnitude_rank.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace merganser {
namespace {

struct Answer {
  double value;
  int passes;
};

constexpr std::uint64_t kMost = std::uint64_t{1} << 21;

Answer ranked(const std::vector<double>& x, std::uint64_t rank, std::uint64_t most = kMost) {
  MagnitudeRank search(rank, most);
  int passes = 0;
  for (; !search.done(); ++passes) {
    for (std::size_t at = 0; at < x.size(); at += 1000) {
      search.look(x.data() + at, std::min<std::size_t>(1000, x.size() - at));
    }
    search.end_pass();
  }
  return {search.value(), passes};
}

double sorted(const std::vector<double>& x, std::uint64_t rank) {
  std::vector<double> sizes;
  for (const double value : x) sizes.push_back(std::abs(value));
  std::ranges::sort(sizes, std::greater<>());
  return sizes[rank - 1];
}

TEST(MagnitudeRank, IsTheSortedOne) {
  std::mt19937_64 engine(1);
  std::normal_distribution<double> draw(0, 1e-3);
  std::vector<double> x(20001);
  for (double& value : x) value = draw(engine);
  for (std::size_t i = 0; i < x.size(); i += 3) x[i] = 0;
  x[7] = 1e300;
  x[8] = -5e-324;
  for (const std::uint64_t rank : {1, 2, 4001, 13334, 13335, 20001}) {
    EXPECT_EQ(ranked(x, rank).value, sorted(x, rank)) << rank;
    EXPECT_EQ(ranked(x, rank).passes, 2) << rank;
    EXPECT_EQ(ranked(x, rank, 3).value, sorted(x, rank)) << rank;
  }
  EXPECT_GT(ranked(x, 4001, 3).passes, 2);
}

// More of them than are collected, so that the bits are searched to the last one.
TEST(MagnitudeRank, TiesOfMillions) {
  std::vector<double> x(5'000'000, 0.1);
  x[17] = std::nextafter(0.1, 1);
  x[18] = -0.3;
  EXPECT_EQ(ranked(x, 1).value, 0.3);
  EXPECT_EQ(ranked(x, 2).value, std::nextafter(0.1, 1));
  const Answer third = ranked(x, 3);
  EXPECT_EQ(third.value, 0.1);
  EXPECT_EQ(third.passes, 4);
}

TEST(MagnitudeRank, RankZeroIsNobody) {
  EXPECT_TRUE(MagnitudeRank(0, kMost).done());
  EXPECT_EQ(MagnitudeRank(0, kMost).value(), std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace merganser
