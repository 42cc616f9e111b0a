#include <gtest/gtest.h>

#include "methods/parts/breadcrumbs_testing.h"

namespace merganser::test {
namespace {

template <class T>
class Breadcrumbs : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Breadcrumbs, Types);

Settings given(const std::vector<double>& w, const std::vector<double>& density,
               const std::vector<double>& gamma, const BreadcrumbsOptions& options = {}) {
  return breadcrumbs_settings("breadcrumbs", w, density, gamma, options);
}

// One model on a base of zeros: the output is the delta with the mask applied.
template <class T>
std::vector<T> masked(const std::vector<T>& x, double density, double gamma) {
  return merge_one<T>("breadcrumbs",
                      {std::vector<T>(x.size(), 0), {x}, given({1}, {density}, {gamma})});
}

TYPED_TEST(Breadcrumbs, WrittenOut) {
  using T = TypeParam;
  const std::vector<T> x = {5, -1, 2, -9, 4, 0, 3, 8, -7, 6};
  EXPECT_EQ(masked<T>(x, 0.5, 0.2), (std::vector<T>{5, 0, 0, 0, 4, 0, 3, 0, -7, 6}));
  EXPECT_EQ(masked<T>(x, 0.3, 0), (std::vector<T>{0, 0, 0, -9, 0, 0, 0, 8, -7, 0}));
  // The density comes first: one of two outliers stays.
  EXPECT_EQ(masked<T>(x, 0.9, 0.2), (std::vector<T>{5, -1, 2, 0, 4, 0, 3, 8, -7, 6}));
  // int(0.19 * 10) = 1 is kept, int(0.05 * 10) = 0; none at least, unlike TIES.
  EXPECT_EQ(masked<T>(x, 0.19, 0.1), (std::vector<T>{0, 0, 0, 0, 0, 0, 0, 8, 0, 0}));
  EXPECT_EQ(masked<T>(x, 0.05, 0.1), std::vector<T>(10, 0));
  // At density 1 the outliers stay, too.
  EXPECT_EQ(masked<T>(x, 1, 0.5), x);
  EXPECT_EQ(masked<T>(x, 0, 0.5), std::vector<T>(10, 0));
  // Of equal entries the first count as the largest.
  EXPECT_EQ(masked<T>({2, -2, 2, 2, -2}, 0.4, 0.2), (std::vector<T>{0, -2, 2, 0, 0}));
  // Two models: 1 + 0.5 * (2 * 3 - 4).
  EXPECT_EQ(merge_one<T>("breadcrumbs", {{1, 1, 1},
                                         {{4, 1, 10}, {-3, 8, 1}},
                                         given({2, 1}, {0.4, 0.4}, {0.4, 0.4}, {.lambda = 0.5})}),
            (std::vector<T>{2, 1, 1}));
}

TYPED_TEST(Breadcrumbs, EmptySingleAndZeroTensors) {
  using T = TypeParam;
  EXPECT_EQ(masked<T>({}, 0.5, 0.5), std::vector<T>{});
  EXPECT_EQ(masked<T>({3}, 0.5, 0.5), std::vector<T>{0});
  EXPECT_EQ(masked<T>({3}, 1, 0.5), std::vector<T>{3});
  EXPECT_EQ(masked<T>({0, 0, 0}, 0.5, 0.4), (std::vector<T>{0, 0, 0}));
}

TYPED_TEST(Breadcrumbs, KeepsExactlyTheBand) {
  using T = TypeParam;
  for (const std::size_t n : {7u, 100u, 2047u, 2049u, 9001u, 40000u}) {
    for (const bool coarse : {false, true}) {
      std::vector<T> x = normal<T>(n, 5, 2);
      if (coarse) {
        for (T& value : x) value = std::round(value);  // about 15 different values
      }
      for (const auto& [density, gamma] : {std::pair{0.9, 0.01},
                                           {0.5, 0.01},
                                           {0.2, 0.3},
                                           {0.01, 0.01},
                                           {0.6, 0.6},
                                           {0.5, 0.0},
                                           {0.3, 1.0}}) {
        const auto kept = band(x, density, gamma);
        std::vector<T> wanted(n);
        for (std::size_t i = 0; i < n; ++i) wanted[i] = kept[i] ? x[i] : 0;
        EXPECT_EQ(masked<T>(x, density, gamma), wanted) << n << ' ' << density << ' ' << gamma;
      }
    }
  }
}

TYPED_TEST(Breadcrumbs, EqualsReference) {
  using T = TypeParam;
  const std::vector<double> w = {0.7, -0.2, 1.1}, gamma = {0.01, 0.2, 0.05};
  for (const std::size_t n : odd_sizes()) {
    for (const std::vector<double>& density :
         {std::vector<double>{0.2, 0.5, 0.9}, {1, 1, 1}, {0.01, 1, 0.99}}) {
      for (const BreadcrumbsOptions& options : breadcrumbs_variants()) {
        SCOPED_TRACE(n);
        const auto made = make_tensor<T>(n, 3, given(w, density, gamma, options));
        expect_rounded(merge_one<T>("breadcrumbs", made),
                       breadcrumbs_terms(made, w, density, gamma, options, false),
                       kFusedRoundings<T>);
      }
    }
  }
}

TYPED_TEST(Breadcrumbs, TakesShapesOfAnyRank) {
  using T = TypeParam;
  for (const Shape& shape : {Shape{3, 5, 7}, Shape{1, 105}, Shape{105, 1}}) {
    auto made = make_tensor<T>(105, 3, given({1}, {0.5}, {0.1}), 1);
    made.shape = shape;
    expect_rounded(merge_one<T>("breadcrumbs", made),
                   breadcrumbs_terms(made, {1}, {0.5}, {0.1}, {}, false), kFusedRoundings<T>);
  }
}

TYPED_TEST(Breadcrumbs, DropsInfinityAndNaNFirst) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  EXPECT_EQ(masked<T>({1, inf, 2, nan, -3, -inf, 4, 0, 5, 6}, 0.4, 0.3),
            (std::vector<T>{0, 0, 0, 0, -3, 0, 4, 0, 5, 6}));
}

TEST(BreadcrumbsOutline, CountsSweepsAndReads) {
  const Descriptor& method = require_method("breadcrumbs");
  EXPECT_EQ(outline_of(method, given({1}, {0.5}, {0.01})).sweeps, 2u);
  EXPECT_EQ(outline_of(method, given({1}, {1}, {0.01})).sweeps, 1u);
  EXPECT_EQ(outline_of(method, given({1}, {0.5}, {0.01}, {.rescale = true})).sweeps, 3u);
  EXPECT_EQ(outline_of(method, given({0, 1}, {0.5, 1}, {0, 0})).reads,
            (std::vector<bool>{false, true}));
  EXPECT_EQ(outline_of(method, given({0}, {0.5}, {0})).copy, Outline::kCopyBase);
}

TEST(BreadcrumbsDefaults, AreMergeKits) {
  const Settings settings = settings_of("breadcrumbs", {}, weights({1}));
  EXPECT_EQ(settings.number("density", 0), 1);
  EXPECT_EQ(settings.number("gamma", 0), 0.01);
  EXPECT_EQ(settings.number("lambda"), 1);
  EXPECT_FALSE(settings.flag("normalize"));
  EXPECT_FALSE(settings.flag("rescale"));
}

}  // namespace
}  // namespace merganser::test
