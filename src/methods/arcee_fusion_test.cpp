#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

Settings none() { return settings_of("arcee_fusion", {}, {{}}); }

struct Importance {
  std::vector<Exact> scores;
  Exact threshold = 0;
};

template <class T>
Importance reference(const std::vector<T>& base, const std::vector<T>& x, std::size_t row) {
  Importance result;
  const std::size_t n = x.size();
  for (std::size_t first = 0; first < n; first += row) {
    Exact sum_p = 0, sum_q = 0, divergence = 0;
    for (std::size_t j = first; j < first + row; ++j) {
      sum_p += std::exp(Exact{x[j]});
      sum_q += std::exp(Exact{base[j]});
    }
    for (std::size_t j = first; j < first + row; ++j) {
      const Exact p = std::exp(Exact{x[j]}) / sum_p + 1e-8L;
      const Exact q = std::exp(Exact{base[j]}) / sum_q + 1e-8L;
      divergence += p * std::log(p / q);
    }
    for (std::size_t j = first; j < first + row; ++j) {
      result.scores.push_back(std::abs(Exact{x[j]} - base[j]) * divergence);
    }
  }
  auto sorted = result.scores;
  std::sort(sorted.begin(), sorted.end());
  const auto quartile = [&](Exact q) { return sorted[static_cast<std::size_t>(q * (n - 1))]; };
  result.threshold = quartile(0.5L) + 1.5L * (quartile(0.75L) - quartile(0.25L));
  return result;
}

// Returns how many elements lie too near the threshold to tell.
template <class T>
std::size_t expect_selected(const std::vector<T>& y, const std::vector<T>& base,
                            const std::vector<T>& x, std::size_t row) {
  // A difference, a divergence and their product rounded to T, and so is the threshold's: some
  // units of the larger terms. f64 divergences are good to about 1e-15 absolute.
  const Exact near = std::is_same_v<T, float> ? 2e-6L : 1e-9L;
  const Importance expected = reference(base, x, row);
  std::size_t unsure = 0;
  for (std::size_t j = 0; j < x.size(); ++j) {
    const Exact score = expected.scores[j];
    if (std::abs(score - expected.threshold) <= near * expected.threshold) {
      ++unsure;
      EXPECT_TRUE(y[j] == x[j] || y[j] == base[j]);
      continue;
    }
    const bool takes = score >= expected.threshold;
    if (y[j] != (takes ? x[j] : base[j])) {
      ADD_FAILURE() << "element " << j << ": " << score << " against " << expected.threshold;
      break;
    }
  }
  return unsure;
}

template <class T>
class ArceeFusion : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ArceeFusion, Types);

TYPED_TEST(ArceeFusion, WrittenOut) {
  using T = TypeParam;
  // One row, base 0: importance x times one divergence k. Of 8 the quartiles are the 2nd, 4th and
  // 6th: 2k, 4k, 6k; the threshold is 4k + 1.5 * 4k = 10k.
  const std::vector<T> b(8, 0);
  EXPECT_EQ(merge_one<T>("arcee_fusion", {b, {{1, -2, 3, -4, 5, 6, 7, -20}}, none()}),
            (std::vector<T>{0, 0, 0, 0, 0, 0, 0, -20}));
  EXPECT_EQ(merge_one<T>("arcee_fusion", {b, {{1, 12, 3, 4, 5, 6, 2, 9}}, none()}),
            (std::vector<T>{0, 12, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(merge_one<T>("arcee_fusion", {{}, {{}}, none()}), std::vector<T>{});
}

TYPED_TEST(ArceeFusion, ARowThatOnlyMovedIsNotImportant) {
  using T = TypeParam;
  // The softmax of the first row is as it was, although it moved by 9.
  std::vector<T> b(16), x(16);
  for (std::size_t j = 0; j < 8; ++j) x[j] = 9;
  const T second[] = {1, -2, 3, -4, 5, 6, 7, -20};
  std::copy(std::begin(second), std::end(second), x.begin() + 8);
  // Eight 0, then 1k to 20k: of 16 the 4th, 8th and 12th are 0, 0 and 4k; the threshold is 6k.
  std::vector<T> wanted(16);
  wanted[14] = 7;
  wanted[15] = -20;
  auto y = merge_one<T>("arcee_fusion", {b, {x}, none(), "w", {2, 8}});
  y[13] = 0;  // 6k, at the threshold
  EXPECT_EQ(y, wanted);
}

TYPED_TEST(ArceeFusion, EqualsReference) {
  using T = TypeParam;
  const std::vector<Shape> shapes = {{2},     {8},        {5000},     {40, 65},    {3, 5, 7},
                                     {1, 70}, {5, 3000},  {900, 2},   {16384},     {257, 64},
                                     {32768}, {1000, 80}, {7, 20000}, {40, 50, 64}};
  for (const Shape& shape : shapes) {
    for (const double deviation : {1.0, 0.02}) {
      SCOPED_TRACE(testing::Message() << testing::PrintToString(shape) << deviation);
      const std::size_t n = elements(shape);
      const auto b = normal<T>(n, 1);
      auto x = tuned(b, 2, deviation);
      // Rows change by different amounts, some not at all.
      const std::size_t row = shape.back();
      for (std::size_t j = 0; j < n; ++j) {
        if (j / row % 3 == 1) x[j] = b[j];
      }
      const auto y = merge_one<T>("arcee_fusion", {b, {x}, none(), "w", shape});
      EXPECT_LE(expect_selected(y, b, x, row), 2 + n / 1000);
    }
  }
}

TEST(ArceeFusionRows, ManyAreMeasuredAgainInEachPass) {
  const std::size_t rows = (1u << 20) + 1;  // more than are kept
  const auto b = normal<float>(2 * rows, 1), x = tuned(b, 2, 0.5);
  const Made<float> one{b, {x}, none(), "w", {rows, 2}};
  GroupRun<float> run(require_method("arcee_fusion"), {&one}, {.chunk = kBlock << 8});
  EXPECT_LE(expect_selected(run.run()[0], b, x, 2), rows / 1000);
  EXPECT_EQ(outline_of(require_method("arcee_fusion"), none(), {rows, 2}).workspace, 0u);
}

TYPED_TEST(ArceeFusion, WithoutChangesOrWithNaN) {
  using T = TypeParam;
  const auto b = normal<T>(300, 1);
  EXPECT_EQ(merge_one<T>("arcee_fusion", {b, {b}, none(), "w", {3, 100}}), b);
  // A row with NaN has no softmax: it stays the base's. The others are selected as before.
  auto x = tuned(b, 2);
  x[7] = std::numeric_limits<T>::quiet_NaN();
  const auto y = merge_one<T>("arcee_fusion", {b, {x}, none(), "w", {3, 100}});
  EXPECT_EQ(std::vector<T>(y.begin(), y.begin() + 100), std::vector<T>(b.begin(), b.begin() + 100));
}

TEST(ArceeFusionFacts, AreThresholdAndShare) {
  const Made<double> one{std::vector<double>(8), {{1, -2, 3, -4, 5, 6, 7, -20}}, none()};
  GroupRun<double> run(require_method("arcee_fusion"), {&one}, {});
  run.run();
  const auto facts = run.merger().facts(0);
  const Importance expected = reference(one.base, one.models[0], 8);
  EXPECT_EQ(facts.at(0).name, "threshold");
  EXPECT_NEAR(facts[0].values.at(0), static_cast<double>(expected.threshold), 1e-12);
  EXPECT_EQ(facts.at(1).name, "taken");
  EXPECT_EQ(facts[1].values.at(0), 1.0 / 8);
}

TEST(ArceeFusionPasses, TwoForLargeTensorsOneForSmall) {
  for (const std::size_t n : {16384u, 200000u}) {
    const auto base = normal<float>(n, 1);
    const Made<float> one{base, {tuned(base, 2)}, none(), "w", {n / 8, 8}};
    GroupRun<float> run(require_method("arcee_fusion"), {&one}, {});
    run.run();
    EXPECT_EQ(run.passes(), n == 16384 ? 1u : 2u);
  }
}

TEST(ArceeFusionOutline, ReadsRows) {
  const Descriptor& method = require_method("arcee_fusion");
  EXPECT_EQ(outline_of(method, none(), {100, 100}).unit, Unit::row);
  EXPECT_EQ(outline_of(method, none(), {100, 100}).sweeps, 2u);
  EXPECT_EQ(outline_of(method, none(), {1000, 100}).sweeps, 3u);
  // The softmax of one number is 1: all are equally important.
  EXPECT_EQ(outline_of(method, none(), {100, 1}).copy, 0u);
  EXPECT_EQ(outline_of(method, none(), {}).copy, 0u);
}

}  // namespace
}  // namespace merganser::test
