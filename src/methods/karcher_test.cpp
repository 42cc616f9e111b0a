#include <gtest/gtest.h>

#include <numbers>

#include "methods/testing.h"

namespace merganser::test {
namespace {

Settings mean_of(std::size_t models, double max_iter = 10, double tol = 1e-5) {
  return settings_of("karcher", {{"max_iter", max_iter}, {"tol", tol}},
                     std::vector<Settings::Table>(models));
}

template <class T>
Made<T> made(std::vector<std::vector<T>> models, double max_iter = 10, double tol = 1e-5) {
  Settings settings = mean_of(models.size(), max_iter, tol);
  return {{}, std::move(models), std::move(settings)};
}

Exact norm(const std::vector<Exact>& x) {
  Exact sum = 0;
  for (const Exact v : x) sum += v * v;
  return std::sqrt(sum);
}

// The same steps on the vectors themselves.
template <class T>
std::vector<Exact> reference(const std::vector<std::vector<T>>& models, int max_iter, Exact tol) {
  const std::size_t n = models[0].size();
  std::vector<std::vector<Exact>> units;
  Exact length = 0;
  for (const auto& model : models) {
    std::vector<Exact> x(model.begin(), model.end());
    const Exact size = norm(x);
    length += size / models.size();
    if (size <= tol) continue;
    for (Exact& v : x) v /= size;
    units.push_back(x);
  }
  std::vector<Exact> mean(n);
  if (units.empty()) return mean;
  const auto add = [&](std::vector<Exact>& to, const std::vector<Exact>& x, Exact factor) {
    for (std::size_t j = 0; j < n; ++j) to[j] += factor * x[j];
  };
  for (const auto& unit : units) add(mean, unit, Exact{1} / units.size());
  if (norm(mean) < tol) mean = units[0];
  for (int step = 0;; ++step) {
    const Exact size = norm(mean);
    for (Exact& v : mean) v /= size;
    if (step == max_iter) break;
    std::vector<Exact> tangent(n);
    for (const auto& unit : units) {
      Exact d = 0;
      for (std::size_t j = 0; j < n; ++j) d += mean[j] * unit[j];
      const Exact angle = std::acos(std::clamp<Exact>(d, -1, 1));
      if (angle < tol) continue;
      const Exact factor = angle / std::sin(angle) / units.size();
      add(tangent, unit, factor);
      add(tangent, mean, -factor * d);
    }
    const Exact way = norm(tangent);
    if (way < tol) break;
    for (std::size_t j = 0; j < n; ++j) {
      mean[j] = std::cos(way) * mean[j] + std::sin(way) / way * tangent[j];
    }
  }
  for (Exact& v : mean) v *= length;
  return mean;
}

// Relative to the largest element. The coefficients add up to about 1 and are rounded to T, and a
// sum of a few products rounds a few times; in f64 the inner products and acos lose more.
template <class T>
void expect_near(const std::vector<T>& y, const std::vector<Exact>& expected) {
  const double unit = std::is_same_v<T, float> ? 1e-6 : 1e-13;
  ASSERT_EQ(y.size(), expected.size());
  Exact largest = 0;
  for (const Exact v : expected) largest = std::max(largest, std::abs(v));
  for (std::size_t j = 0; j < y.size(); ++j) {
    ASSERT_NEAR(y[j], static_cast<double>(expected[j]), unit * static_cast<double>(largest)) << j;
  }
}

template <class T>
class Karcher : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Karcher, Types);

TYPED_TEST(Karcher, WrittenOut) {
  using T = TypeParam;
  // Two directions: the middle of the arc, with the mean length (2 + 4) / 2.
  const auto middle = merge_one("karcher", made<T>({{2, 0}, {0, 4}}));
  EXPECT_NEAR(middle[0], 3 / std::sqrt(2.0), 1e-6);
  EXPECT_NEAR(middle[1], 3 / std::sqrt(2.0), 1e-6);
  // 0, 0 and 90 degrees: 30 degrees, where the straight mean of the units gives atan(1/2) = 26.6.
  const auto third = merge_one("karcher", made<T>({{1, 0}, {1, 0}, {0, 1}}));
  EXPECT_NEAR(std::atan2(third[1], third[0]), std::numbers::pi / 6, 1e-5);
  EXPECT_NEAR(std::hypot(third[0], third[1]), 1, 1e-6);
  const auto straight = merge_one("karcher", made<T>({{1, 0}, {1, 0}, {0, 1}}, 0));
  EXPECT_NEAR(std::atan2(straight[1], straight[0]), std::atan(0.5), 1e-6);
  EXPECT_EQ(merge_one("karcher", made<T>({{}, {}})), std::vector<T>{});
}

TYPED_TEST(Karcher, EqualsReference) {
  using T = TypeParam;
  for (const std::size_t n : odd_sizes()) {
    if (n == 1) continue;  // all on a line: below
    for (const unsigned count : {2u, 3u, 5u}) {
      for (const double max_iter : {1.0, 3.0, 10.0}) {
        SCOPED_TRACE(testing::Message() << n << ' ' << count << ' ' << max_iter);
        std::vector<std::vector<T>> models;
        // Something in common, as checkpoints have: n = 2 is then no accident of three angles.
        const auto common = std::vector<T>(n, 2);
        for (unsigned m = 0; m < count; ++m) models.push_back(tuned(common, m, 1 + m));
        const auto expected = reference(models, static_cast<int>(max_iter), 1e-5L);
        expect_near(merge_one("karcher", made(models, max_iter)), expected);
      }
    }
  }
}

TYPED_TEST(Karcher, FineTunesAreNearlyOneDirection) {
  using T = TypeParam;
  const auto base = normal<T>(5000, 1);
  const std::vector<std::vector<T>> models = {base, tuned(base, 2), tuned(base, 3, 1e-3)};
  expect_near(merge_one("karcher", made(models)), reference(models, 10, 1e-5L));
}

TYPED_TEST(Karcher, ZeroTensorsHaveNoDirectionButALength) {
  using T = TypeParam;
  const auto y = merge_one("karcher", made<T>({{0, 0}, {2, 0}, {0, 4}}));
  EXPECT_NEAR(y[0], 2 / std::sqrt(2.0), 1e-6);  // mean length (0 + 2 + 4) / 3
  EXPECT_NEAR(y[1], 2 / std::sqrt(2.0), 1e-6);
  EXPECT_EQ(merge_one("karcher", made<T>({{0, 0}, {0, 0}})), (std::vector<T>{0, 0}));
  // Shorter than tol counts as zero.
  const T tiny = static_cast<T>(1e-6);
  EXPECT_EQ(merge_one("karcher", made<T>({{tiny, 0}, {0, tiny}})), (std::vector<T>{0, 0}));
  EXPECT_GT(merge_one("karcher", made<T>({{tiny, 0}, {0, tiny}}, 10, 1e-9))[0], 0);
}

TYPED_TEST(Karcher, OppositeDirectionsKeepTheFirst) {
  using T = TypeParam;
  // No middle is nearer than another: the first one's direction, the mean length.
  EXPECT_EQ(merge_one("karcher", made<T>({{1, 0}, {-3, 0}})), (std::vector<T>{2, 0}));
  EXPECT_EQ(merge_one("karcher", made<T>({{5}, {-3}})), (std::vector<T>{4}));
  // The mean of the units points along the first: the opposite one does not turn it.
  EXPECT_EQ(merge_one("karcher", made<T>({{1, 0}, {1, 0}, {-1, 0}})), (std::vector<T>{1, 0}));
}

TYPED_TEST(Karcher, EqualModelsStay) {
  using T = TypeParam;
  const auto x = normal<T>(3000, 1);
  expect_near(merge_one("karcher", made<T>({x, x, x})), std::vector<Exact>(x.begin(), x.end()));
  // tol 0 never ends the iteration by itself.
  expect_near(merge_one("karcher", made<T>({x, x}, 20, 0)), std::vector<Exact>(x.begin(), x.end()));
}

TEST(KarcherFacts, TellWhetherItConverged) {
  const auto facts_of = [](const Made<double>& one) {
    GroupRun<double> run(require_method("karcher"), {&one}, {});
    run.run();
    EXPECT_EQ(run.passes(), 1u);
    return run.merger().facts(0);
  };
  const auto three = made<double>({{1, 0}, {1, 0}, {0, 1}});
  const auto facts = facts_of(three);
  EXPECT_EQ(facts.at(0).name, "iterations");
  EXPECT_GE(facts[0].values.at(0), 1);
  EXPECT_LT(facts[0].values[0], 10);
  EXPECT_EQ(facts.at(1).name, "residual");
  EXPECT_LT(facts[1].values.at(0), 1e-5);
  // Without a step: from atan(1/2) to 30 degrees.
  const auto none = facts_of(made<double>({{1, 0}, {1, 0}, {0, 1}}, 0));
  EXPECT_EQ(none.at(0).values.at(0), 0);
  EXPECT_NEAR(none.at(1).values.at(0), std::numbers::pi / 6 - std::atan(0.5), 1e-9);
}

TEST(KarcherOutline, OneModelIsCopied) {
  const Descriptor& method = require_method("karcher");
  EXPECT_EQ(outline_of(method, mean_of(1)).copy, 0u);
  EXPECT_EQ(outline_of(method, mean_of(3)).sweeps, 2u);
}

}  // namespace
}  // namespace merganser::test
