#include "analyze/elements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "analyze/aggregate.h"
#include "analyze/testing.h"

namespace merganser::test {
namespace {

constexpr std::uint64_t kMemory = 1 << 30;

std::vector<TensorFigures> compare(const AnalysisInputs& inputs, double share, unsigned threads,
                                   std::uint64_t memory = kMemory) {
  Progress progress;
  return compare_elements(inputs, share, memory, threads, progress);
}

// Fine-tunes that leave a third of the elements alone, each another one.
TEST(CompareElements, LikeThePlainSums) {
  const std::size_t n = 300 * 700;
  const std::vector<double> base = normal_numbers(n, 1);
  std::vector<std::vector<double>> tunes, changes;
  TestModels models;
  models.add({{"w", {300, 700}, base}});
  for (unsigned m = 0; m < 3; ++m) {
    std::vector<double> tune = base, move = normal_numbers(n, 10 + m);
    for (std::size_t i = 0; i < n; ++i) {
      if (i % 3 != m) tune[i] += 0.01 * std::round(4 * move[i]);  // many are alike
    }
    models.add({{"w", {300, 700}, tune}});
    std::vector<double> change(n);
    for (std::size_t i = 0; i < n; ++i) change[i] = tune[i] - base[i];
    changes.push_back(std::move(change));
  }
  const AnalysisInputs inputs = models.inputs();
  const TensorFigures found = compare(inputs, 0.2, 2)[0];
  // Of so many that are alike a little memory collects none.
  const TensorFigures narrow = compare(inputs, 0.2, 2, 1)[0];
  for (std::size_t p = 0; p < 3; ++p) {
    EXPECT_EQ(found.pairs[p].both_top, narrow.pairs[p].both_top);
    EXPECT_EQ(found.pairs[p].either_top, narrow.pairs[p].either_top);
  }
  const auto count = static_cast<std::size_t>(std::ceil(0.2 * static_cast<double>(n)));
  std::vector<double> least;
  for (std::size_t m = 0; m < 3; ++m) {
    long double squared = 0, base_dot = 0;
    double max = 0;
    std::uint64_t changed = 0;
    std::vector<double> sizes;
    for (std::size_t i = 0; i < n; ++i) {
      squared += static_cast<long double>(changes[m][i]) * changes[m][i];
      base_dot += static_cast<long double>(changes[m][i]) * base[i];
      max = std::max(max, std::abs(changes[m][i]));
      changed += changes[m][i] != 0;
      sizes.push_back(std::abs(changes[m][i]));
    }
    std::ranges::sort(sizes, std::greater<>());
    least.push_back(sizes[count - 1]);
    EXPECT_NEAR(found.changes[m].squared, static_cast<double>(squared), 1e-9);
    EXPECT_NEAR(found.changes[m].base_dot, static_cast<double>(base_dot), 1e-9);
    EXPECT_EQ(found.changes[m].max, max);
    EXPECT_EQ(found.changes[m].changed, changed);
  }
  std::size_t pair = 0;
  for (std::size_t a = 0; a < 3; ++a) {
    for (std::size_t b = a + 1; b < 3; ++b, ++pair) {
      PairSums sums;
      for (std::size_t i = 0; i < n; ++i) {
        const double x = changes[a][i], y = changes[b][i];
        const bool in_x = x != 0 && std::abs(x) >= least[a];
        const bool in_y = y != 0 && std::abs(y) >= least[b];
        sums.dot += x * y;
        sums.both += x != 0 && y != 0;
        sums.against += x * y < 0;
        sums.both_top += in_x && in_y;
        sums.either_top += in_x || in_y;
        sums.against_top += in_x && in_y && x * y < 0;
      }
      EXPECT_NEAR(found.pairs[pair].dot, sums.dot, 1e-9);
      EXPECT_EQ(found.pairs[pair].both, sums.both);
      EXPECT_EQ(found.pairs[pair].against, sums.against);
      EXPECT_EQ(found.pairs[pair].both_top, sums.both_top);
      EXPECT_EQ(found.pairs[pair].either_top, sums.either_top);
      EXPECT_EQ(found.pairs[pair].against_top, sums.against_top);
      EXPECT_GT(sums.against_top, 0u);
    }
  }
}

TEST(CompareElements, TheSameForAnyNumberOfThreads) {
  TestModels models;
  for (unsigned m = 0; m < 3; ++m) {
    models.add({{"a", {50, 70}, normal_numbers(3500, m)},
                {"b", {900, 300}, normal_numbers(270000, 10 + m)},
                {"c", {}, normal_numbers(1, 20 + m)},
                {"d", {0}, {}}});
  }
  const AnalysisInputs inputs = models.inputs();
  const auto one = compare(inputs, 0.3, 1), three = compare(inputs, 0.3, 3);
  for (std::size_t t = 0; t < one.size(); ++t) {
    EXPECT_EQ(one[t].changes[1].squared, three[t].changes[1].squared);
    EXPECT_EQ(one[t].pairs[0].dot, three[t].pairs[0].dot);
    EXPECT_EQ(one[t].pairs[0].either_top, three[t].pairs[0].either_top);
  }
}

TEST(CompareElements, NamesWhereANumberIsMissing) {
  const double nan = std::nan("");
  for (const bool in_base : {true, false}) {
    TestModels models;
    models.add({{"w", {3}, {1, in_base ? nan : 2, 3}}});
    models.add({{"w", {3}, {1, in_base ? 2 : -std::numeric_limits<double>::infinity(), 4}}});
    const AnalysisInputs inputs = models.inputs();
    EXPECT_THAT(complaint([&] { compare(inputs, 0.2, 1); }),
                testing::AllOf(testing::HasSubstr("corrupt"), testing::HasSubstr("tensor 'w'"),
                               testing::HasSubstr(in_base ? "base" : "tune1"),
                               testing::HasSubstr("NaN or Inf")));
  }
}

TEST(CompareElements, StopsWhenAsked) {
  TestModels models;
  for (unsigned m = 0; m < 2; ++m) models.add({{"w", {8}, normal_numbers(8, m)}});
  const AnalysisInputs inputs = models.inputs();
  Progress progress;
  progress.stop();
  EXPECT_THAT(complaint([&] { compare_elements(inputs, 0.2, kMemory, 1, progress); }),
              testing::HasSubstr("interrupted"));
}

// Two tensors by hand: D_0 = (3, 0 | 4), D_1 = (1, 2 | -2), W_0 = (6, 8 | 0).
TEST(Aggregate, IsThatOfTheConcatenation) {
  TestModels models;
  models.add({{"a", {2}, {6, 8}}, {"b", {1}, {0}}});
  models.add({{"a", {2}, {9, 8}}, {"b", {1}, {4}}});
  models.add({{"a", {2}, {7, 10}}, {"b", {1}, {-2}}});
  const AnalysisInputs inputs = models.inputs();
  const auto figures = compare(inputs, 1, 1);
  const std::vector<double> whole = whole_changes(figures, 2);
  EXPECT_EQ(whole, (std::vector<double>{25, 9}));
  const std::vector<std::size_t> both = {0, 1};
  const Aggregate total = aggregate(inputs, figures, both, whole);
  EXPECT_EQ(total.elements, 3u);
  EXPECT_EQ(total.base_norm, 10);
  EXPECT_EQ(total.changes[0].norm, 5);
  EXPECT_EQ(*total.changes[0].relative, 0.5);
  EXPECT_DOUBLE_EQ(*total.pairs[0].cosine, (3 - 8) / 15.0);
  EXPECT_EQ(*total.pairs[0].sign_conflict, 0.5);
  EXPECT_EQ(*total.pairs[0].sign_conflict_top, 0.5);
  EXPECT_DOUBLE_EQ(*total.pairs[0].overlap_top, 2.0 / 3);
  const std::vector<std::size_t> second = {1};
  const Aggregate b = aggregate(inputs, figures, second, whole);
  EXPECT_EQ(b.changes[0].relative, std::nullopt);  // the base is 0 there
  EXPECT_DOUBLE_EQ(*b.changes[0].share, 16.0 / 25);
  EXPECT_EQ(*b.pairs[0].cosine, -1);
}

}  // namespace
}  // namespace merganser::test
