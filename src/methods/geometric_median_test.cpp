#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

template <class T>
class GeometricMedian : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(GeometricMedian, Types);

Settings with(std::size_t models, double maxiter = 100, double eps = 1e-6) {
  return settings_of("geometric_median", {{"maxiter", maxiter}, {"eps", eps}},
                     std::vector<Settings::Table>(models));
}

template <class T>
std::vector<T> median_of(std::vector<std::vector<T>> models, double maxiter = 100,
                         double eps = 1e-6) {
  const std::size_t count = models.size();
  return merge_one<T>("geometric_median", {{}, std::move(models), with(count, maxiter, eps)});
}

// The steps on the vectors themselves.
template <class T>
std::vector<Exact> reference(const std::vector<std::vector<T>>& models, int steps, Exact eps) {
  std::vector<Exact> y(models[0].size()), u(models.size(), 1);
  for (int step = 0; step <= steps; ++step) {
    Exact sum = 0;
    for (const Exact x : u) sum += x;
    for (std::size_t j = 0; j < y.size(); ++j) {
      y[j] = 0;
      for (std::size_t i = 0; i < models.size(); ++i) y[j] += u[i] / sum * models[i][j];
    }
    for (std::size_t i = 0; i < models.size(); ++i) {
      Exact squares = 0;
      for (std::size_t j = 0; j < y.size(); ++j) {
        squares += (y[j] - models[i][j]) * (y[j] - models[i][j]);
      }
      u[i] = 1 / std::max(std::sqrt(squares), eps);
    }
  }
  return y;
}

TYPED_TEST(GeometricMedian, WrittenOut) {
  using T = TypeParam;
  // Of three points on a line it is the middle one, of four corners the crossing of the diagonals,
  // of a triangle with a corner of more than 120 degrees that corner.
  EXPECT_NEAR(median_of<T>({{0}, {1}, {10}})[0], 1, 1e-5);
  const auto square = median_of<T>({{0, 0}, {4, 0}, {4, 4}, {0, 4}});
  EXPECT_NEAR(square[0], 2, 1e-6);
  EXPECT_NEAR(square[1], 2, 1e-6);
  const auto blunt = median_of<T>({{-4, 1}, {0, 0}, {4, 1}});
  EXPECT_NEAR(blunt[0], 0, 1e-5);
  EXPECT_NEAR(blunt[1], 0, 1e-5);
  // Fermat's point of an equilateral triangle; one far outlier among many.
  const T h = static_cast<T>(std::sqrt(3.0));
  EXPECT_NEAR(median_of<T>({{-1, 0}, {1, 0}, {0, h}})[1], std::sqrt(3.0) / 3, 1e-6);
  EXPECT_LT(median_of<T>({{0}, {0.5}, {1}, {1.5}, {1000}})[0], 1.1);
}

TYPED_TEST(GeometricMedian, NothingToIterateOn) {
  using T = TypeParam;
  EXPECT_EQ(median_of<T>({{}, {}}), std::vector<T>{});
  EXPECT_EQ(median_of<T>({{3, 4}}), (std::vector<T>{3, 4}));
  EXPECT_EQ(median_of<T>({{0, 0}, {0, 0}, {0, 0}}), (std::vector<T>{0, 0}));
  // Of two all points between them are medians: their mean stays.
  EXPECT_EQ(median_of<T>({{1, 2}, {3, 6}}), (std::vector<T>{2, 4}));
  // No step: the mean.
  EXPECT_NEAR(median_of<T>({{0}, {1}, {11}}, 0)[0], 4, 1e-6);
  const auto same = median_of<T>({{3, 5}, {3, 5}, {3, 5}});
  EXPECT_NEAR(same[0], 3, 1e-6);
  EXPECT_NEAR(same[1], 5, 1e-6);
}

TYPED_TEST(GeometricMedian, EqualsReference) {
  using T = TypeParam;
  for (const std::size_t n : odd_sizes()) {
    const auto base = normal<T>(n, 1);
    const std::vector<std::vector<T>> models = {tuned(base, 2, 0.02), tuned(base, 3, 0.03),
                                                tuned(base, 4, 0.5), tuned(base, 5, 0.01)};
    for (const int steps : {1, 3, 10, 100}) {
      const auto expected = reference(models, steps, 1e-6L);
      const auto y = median_of<T>(models, steps);
      std::vector<Term> terms(n);
      for (std::size_t j = 0; j < n; ++j) {
        terms[j].value = expected[j];
        if (steps == 100) terms[j].size = 1;  // see below: of the distances, whatever its own size
        for (const auto& model : models) terms[j].size += std::abs(Exact{model[j]});
      }
      // Four shares and products, three sums. In f64 the distances count: their squares are left
      // over from sums a few thousand times as large. And 100 steps end where the mean distance
      // stays the same in f64: it is flat around the median, 1e-8 of the distances off.
      const int roundings = std::is_same_v<T, float> ? 5 : steps < 100 ? 20000 : 20000000;
      expect_rounded(y, terms, roundings);
    }
  }
}

TYPED_TEST(GeometricMedian, TellsTheShares) {
  using T = TypeParam;
  const Made<T> made{{}, {{0, 0}, {4, 0}, {4, 4}, {0, 4}}, with(4)};
  GroupRun<T> run(require_method("geometric_median"), {&made}, {});
  run.run();
  const auto facts = run.merger().facts(0);
  ASSERT_EQ(facts.size(), 3u);
  EXPECT_EQ(facts[0].name, "shares");
  for (const double share : facts[0].values) EXPECT_NEAR(share, 0.25, 1e-12);
  EXPECT_NEAR(facts[1].values[0], std::sqrt(8.0), 1e-12);
}

TEST(GeometricMedianOutline, CopiesOneModel) {
  const Descriptor& method = require_method("geometric_median");
  EXPECT_EQ(outline_of(method, with(1)).copy, 0u);
  EXPECT_EQ(outline_of(method, with(2)).sweeps, 2u);
}

}  // namespace
}  // namespace merganser::test
