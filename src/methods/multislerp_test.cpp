#include <gtest/gtest.h>

#include "base/testing.h"
#include "methods/testing.h"

namespace merganser::test {
namespace {

struct Options {
  bool normalize = true;
  double eps = 1e-8;
};

Settings weighted(const std::vector<double>& w, const Options& options = {}) {
  return settings_of("multislerp", {{"normalize_weights", options.normalize}, {"eps", options.eps}},
                     weights(w));
}

Exact norm(const std::vector<Exact>& x) {
  Exact sum = 0;
  for (const Exact v : x) sum += v * v;
  return std::sqrt(sum);
}

// MergeKit's formula, tangents and all, on the vectors themselves. `models` are deltas where there
// is a base.
template <class T>
std::vector<Exact> reference(const std::vector<std::vector<T>>& models, std::vector<double> given,
                             const Options& options = {}) {
  const std::size_t n = models[0].size();
  std::vector<Exact> w(given.begin(), given.end());
  if (options.normalize) {
    const Exact sum = std::accumulate(w.begin(), w.end(), Exact{0});
    for (Exact& x : w) x /= sum;
  }
  std::vector<std::vector<Exact>> units;
  std::vector<Exact> mean(n);
  Exact length = 0;
  for (std::size_t i = 0; i < models.size(); ++i) {
    std::vector<Exact> x(models[i].begin(), models[i].end());
    const Exact size = norm(x);
    length += w[i] * size;
    for (std::size_t j = 0; j < n; ++j) mean[j] += w[i] * (x[j] /= size + options.eps);
    units.push_back(x);
  }
  const Exact mean_norm = norm(mean);
  for (Exact& v : mean) v /= mean_norm;
  std::vector<Exact> tangent(n);
  for (std::size_t i = 0; i < units.size(); ++i) {
    Exact d = 0;
    for (std::size_t j = 0; j < n; ++j) d += units[i][j] * mean[j];
    for (std::size_t j = 0; j < n; ++j) tangent[j] += w[i] * (units[i][j] - d * mean[j]);
  }
  const Exact angle = norm(tangent) + options.eps;
  for (std::size_t j = 0; j < n; ++j) {
    mean[j] = length * (mean[j] * std::cos(angle) + tangent[j] * std::sin(angle) / angle);
  }
  return mean;
}

// Relative to the largest element, the base's included: coefficients rounded to T, a sum of a few
// products; f64 loses more in the inner products.
template <class T>
void expect_near(const std::vector<T>& y, const std::vector<Exact>& expected,
                 const std::vector<T>& base = {}) {
  const double unit = std::is_same_v<T, float> ? 1e-6 : 1e-13;
  ASSERT_EQ(y.size(), expected.size());
  Exact largest = 0;
  const auto at = [&](std::size_t j) { return expected[j] + (base.empty() ? 0 : base[j]); };
  for (std::size_t j = 0; j < y.size(); ++j) largest = std::max(largest, std::abs(at(j)));
  for (std::size_t j = 0; j < y.size(); ++j) {
    ASSERT_NEAR(y[j], static_cast<double>(at(j)), unit * static_cast<double>(largest)) << j;
  }
}

template <class T>
class MultiSlerp : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(MultiSlerp, Types);

TYPED_TEST(MultiSlerp, WrittenOut) {
  using T = TypeParam;
  // Two at a right angle, equal weights: the mean direction is the middle, the tangents cancel, the
  // norm is the mean of 2 and 4.
  const auto y = merge_one<T>("multislerp", {{}, {{2, 0}, {0, 4}}, weighted({1, 1})});
  EXPECT_NEAR(y[0], 3 / std::sqrt(2.0), 1e-6);
  EXPECT_NEAR(y[1], 3 / std::sqrt(2.0), 1e-6);
  // Weights 2, 1 (2/3, 1/3): mean direction (2, 1)/sqrt 5; the tangents cancel in the mean, too.
  const auto z = merge_one<T>("multislerp", {{}, {{1, 0}, {0, 1}}, weighted({2, 1})});
  EXPECT_NEAR(z[0], 2 / std::sqrt(5.0), 1e-6);
  EXPECT_NEAR(z[1], 1 / std::sqrt(5.0), 1e-6);
  // Around a base.
  const auto b = merge_one<T>("multislerp", {{1, 1}, {{3, 1}, {1, 5}}, weighted({1, 1})});
  EXPECT_NEAR(b[0], 1 + 3 / std::sqrt(2.0), 1e-6);
  EXPECT_NEAR(b[1], 1 + 3 / std::sqrt(2.0), 1e-6);
  EXPECT_EQ(merge_one<T>("multislerp", {{}, {{}, {}}, weighted({1, 1})}), std::vector<T>{});
}

TYPED_TEST(MultiSlerp, EqualsReference) {
  using T = TypeParam;
  const Options plain, sums{.normalize = false}, blurred{.eps = 0.5};
  for (const std::size_t n : odd_sizes()) {
    if (n == 1) continue;  // all on a line: below
    for (const Options& options : {plain, sums, blurred}) {
      for (const std::vector<double>& w :
           {std::vector<double>{1, 1}, {0.3, 0.9, 0.4}, {1, -0.2, 0.5, 2, 0.1}}) {
        SCOPED_TRACE(testing::Message() << n << testing::PrintToString(w) << options.normalize);
        std::vector<std::vector<T>> models;
        const auto common = std::vector<T>(n, 2);
        for (unsigned m = 0; m < w.size(); ++m) models.push_back(tuned(common, m, 1 + m));
        expect_near(merge_one<T>("multislerp", {{}, models, weighted(w, options)}),
                    reference(models, w, options));
        const auto base = normal<T>(n, 77);
        std::vector<std::vector<T>> deltas;
        for (const auto& model : models) deltas.push_back(delta(model, base));
        expect_near(merge_one<T>("multislerp", {base, models, weighted(w, options)}),
                    reference(deltas, w, options), base);
      }
    }
  }
}

TYPED_TEST(MultiSlerp, DirectionsThatCancelAreAddedUp) {
  using T = TypeParam;
  // No direction left: the weighted sum, as MergeKit does for two; for more it refuses the merge.
  EXPECT_EQ(merge_one<T>("multislerp", {{}, {{1, 0}, {-3, 0}}, weighted({1, 1})}),
            (std::vector<T>{-1, 0}));
  EXPECT_EQ(merge_one<T>("multislerp", {{1, 1}, {{2, 1}, {-2, 1}}, weighted({1, 1})}),
            (std::vector<T>{0, 1}));
  EXPECT_EQ(
      merge_one<T>("multislerp", {{}, {{4, 0}, {-4, 0}, {0, 8}, {0, -4}}, weighted({1, 1, 1, 1})}),
      (std::vector<T>{0, 1}));
  // 1 - 3 * (1/3) with a rounding error left: still nothing.
  const auto x = normal<T>(3000, 1);
  std::vector<T> opposite = x;
  for (T& v : opposite) v *= -3;
  const auto y = merge_one<T>("multislerp", {{}, {x, opposite}, weighted({1, 1})});
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(y[i], -x[i], 1e-6 * std::abs(x[i]));
}

TYPED_TEST(MultiSlerp, ZeroTensors) {
  using T = TypeParam;
  const std::vector<T> b = {1, -2, 3};
  // No model moved: the base.
  EXPECT_EQ(merge_one<T>("multislerp", {b, {b, b, b}, weighted({1, 1, 1})}), b);
  EXPECT_EQ(merge_one<T>("multislerp", {{}, {{0, 0}, {0, 0}}, weighted({1, 1})}),
            (std::vector<T>{0, 0}));
  for (const double eps : {1e-8, 0.0}) {
    // One moved: its direction, half its length.
    const auto y =
        merge_one<T>("multislerp", {{}, {{0, 0}, {0, 2}}, weighted({1, 1}, {.eps = eps})});
    EXPECT_EQ(y[0], 0);
    EXPECT_NEAR(y[1], 1, 1e-6);
  }
}

TYPED_TEST(MultiSlerp, EqualModelsStay) {
  using T = TypeParam;
  const auto x = normal<T>(3000, 1);
  expect_near(merge_one<T>("multislerp", {{}, {x, x, x}, weighted({1, 2, 3})}),
              std::vector<Exact>(x.begin(), x.end()));
}

TYPED_TEST(MultiSlerp, LeavesOutZeroWeights) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const auto y =
      merge_one<T>("multislerp", {{}, {{2, 0}, {nan, nan}, {0, 4}}, weighted({1, 0, 1})});
  EXPECT_NEAR(y[0], 3 / std::sqrt(2.0), 1e-6);
  const Options sums{.normalize = false};
  // One is left, its weight not 1: the formula gives |w| x.
  const auto half =
      merge_one<T>("multislerp", {{}, {{2, 0}, {nan, nan}}, weighted({0.5, 0}, sums)});
  EXPECT_NEAR(half[0], 1, 1e-6);
  EXPECT_EQ(merge_one<T>("multislerp", {{}, {{nan}, {nan}}, weighted({0, 0}, sums)}),
            std::vector<T>{0});
}

TEST(MultiSlerpFacts, GiveTheNorm) {
  const Made<double> one{{}, {{2, 0}, {0, 4}}, weighted({1, 1})};
  GroupRun<double> run(require_method("multislerp"), {&one}, {});
  run.run();
  EXPECT_EQ(run.merger().facts(0).at(0).name, "norm");
  EXPECT_NEAR(run.merger().facts(0)[0].values.at(0), 3, 1e-12);
  EXPECT_EQ(run.passes(), 1u);
}

TEST(MultiSlerpOutline, CopiesAndRefuses) {
  const Descriptor& method = require_method("multislerp");
  EXPECT_EQ(outline_of(method, weighted({0.3})).copy, 0u);  // MergeKit: whatever the weight
  EXPECT_EQ(outline_of(method, weighted({0, 2})).copy, 1u);
  EXPECT_EQ(outline_of(method, weighted({1, 1})).copy, Outline::kNoCopy);
  EXPECT_EQ(outline_of(method, weighted({1, 1})).sweeps, 2u);
  EXPECT_TRUE(error_of([&] { outline_of(method, weighted({1, -1})); }));
  const Settings zeros = weighted({0, 0}, {.normalize = false});
  EXPECT_EQ(outline_of(method, zeros, {8, 8}, true).copy, Outline::kCopyBase);
  EXPECT_EQ(outline_of(method, zeros, {8, 8}, false).copy, Outline::kNoCopy);
}

}  // namespace
}  // namespace merganser::test
