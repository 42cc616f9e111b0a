#include <gtest/gtest.h>

#include "methods/parts/overlap_testing.h"

namespace merganser::test {
namespace {

struct Options {
  double r = 0.1, alpha = 0.2, epsilon = 1e-5;
};

Settings with(std::size_t models, const Options& options) {
  return settings_of("ramplus_tl",
                     {{"r", options.r}, {"alpha", options.alpha}, {"epsilon", options.epsilon}},
                     std::vector<Settings::Table>(models));
}

template <class T>
std::vector<Exact> ratios(const Made<T>& made, double epsilon) {
  const std::size_t models = made.models.size();
  std::vector<std::size_t> alone(models), shared(models);
  for (std::size_t j = 0; j < made.base.size(); ++j) {
    std::vector<bool> part(models);
    for (std::size_t i = 0; i < models; ++i) {
      const T d = made.models[i][j] - made.base[j];
      part[i] = std::abs(d) > static_cast<T>(epsilon);
    }
    const auto count = std::count(part.begin(), part.end(), true);
    for (std::size_t i = 0; i < models; ++i) {
      if (part[i]) ++(count == 1 ? alone : shared)[i];
    }
  }
  std::vector<Exact> rho(models);
  for (std::size_t i = 0; i < models; ++i) {
    const Exact divisor = std::max<Exact>(alone[i], epsilon);
    rho[i] = shared[i] == 0 ? 0 : shared[i] / divisor;  // x / 0 = inf: alpha is less
  }
  return rho;
}

template <class T>
class RamPlus : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(RamPlus, Types);

TYPED_TEST(RamPlus, WrittenOut) {
  using T = TypeParam;
  // First: one shared, two alone, ratio 1/2. Second: one shared, one alone, ratio 1.
  const std::vector<T> b = {1, 1, 1, 1, 1};
  const std::vector<std::vector<T>> models = {{3, 3, 5, 1, 1}, {5, 1, 1, 3, 1}};
  // Factors 1 + 0.5 min(ratio, 0.75).
  EXPECT_EQ(merge_one<T>("ramplus_tl", {b, models, with(2, {0.5, 0.75})}),
            (std::vector<T>{4, 1 + 2 * 1.25, 1 + 4 * 1.25, 1 + 2 * 1.375, 1}));
  EXPECT_EQ(merge_one<T>("ramplus_tl", {b, models, with(2, {0, 0.75})}),
            (std::vector<T>{4, 3, 5, 3, 1}));
  EXPECT_EQ(merge_one<T>("ramplus_tl", {{}, {{}, {}}, with(2, {})}), std::vector<T>{});
}

TYPED_TEST(RamPlus, EqualsReference) {
  using T = TypeParam;
  for (const std::size_t n : odd_sizes()) {
    for (const std::size_t models : {1u, 2u, 3u, 6u}) {
      for (const Options& options :
           {Options{}, Options{0.5, 100, 1e-5}, Options{-0.3, 2, 0}, Options{1, 1, 0.01}}) {
        SCOPED_TRACE(testing::Message() << n << ' ' << models << ' ' << options.epsilon);
        const auto one = overlapping<T>(n, models, with(models, options));
        std::vector<Exact> boost;
        for (const Exact rho : ratios(one, options.epsilon)) {
          boost.push_back(1 + options.r * std::min<Exact>(rho, options.alpha));
        }
        // As ram, and the factor.
        expect_rounded(merge_one("ramplus_tl", one), merged_overlap(one, options.epsilon, boost),
                       9);
      }
    }
  }
}

TYPED_TEST(RamPlus, WithoutPositionsOfItsOwnTheRatioIsTheLargest) {
  using T = TypeParam;
  // All is shared, or nothing is changed: no 0/0, and nothing to amplify.
  for (const double epsilon : {1e-5, 0.0}) {
    EXPECT_EQ(merge_one<T>("ramplus_tl", {{1, 1}, {{3, 1}, {5, 1}}, with(2, {0.1, 0.2, epsilon})}),
              (std::vector<T>{4, 1}));
    EXPECT_EQ(merge_one<T>("ramplus_tl", {{1, 1}, {{1, 1}, {1, 1}}, with(2, {0.1, 0.2, epsilon})}),
              (std::vector<T>{1, 1}));
  }
}

TEST(RamPlusFacts, GiveTheRatios) {
  const Made<double> one{{1, 1, 1, 1}, {{3, 3, 5, 1}, {5, 1, 1, 3}}, with(2, {})};
  GroupRun<double> run(require_method("ramplus_tl"), {&one}, {});
  run.run();
  EXPECT_EQ(run.passes(), 1u);
  const auto facts = run.merger().facts(0);
  EXPECT_EQ(facts.at(0).name, "rho");
  EXPECT_EQ(facts[0].values, (std::vector<double>{0.5, 1}));
}

}  // namespace
}  // namespace merganser::test
