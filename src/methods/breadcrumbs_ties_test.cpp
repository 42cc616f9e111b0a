#include <gtest/gtest.h>

#include "methods/parts/breadcrumbs_testing.h"

namespace merganser::test {
namespace {

template <class T>
class BreadcrumbsTies : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(BreadcrumbsTies, Types);

Settings given(const std::vector<double>& w, const std::vector<double>& density,
               const std::vector<double>& gamma, const BreadcrumbsOptions& options = {}) {
  return breadcrumbs_settings("breadcrumbs_ties", w, density, gamma, options);
}

TYPED_TEST(BreadcrumbsTies, WrittenOut) {
  using T = TypeParam;
  // Left of the deltas: {4, -2, 0, 0} and {-1, -3, 0, 0}. Votes 3, -5, 0, 0; sums by default.
  const std::vector<std::vector<T>> models = {{4, -2, 1, 9}, {-1, -3, 8, 0.5}};
  const std::vector<T> base(4, 0);
  EXPECT_EQ(
      merge_one<T>("breadcrumbs_ties", {base, models, given({1, 1}, {0.5, 0.5}, {0.25, 0.25})}),
      (std::vector<T>{4, -5, 0, 0}));
  EXPECT_EQ(
      merge_one<T>("breadcrumbs_ties",
                   {base, models, given({1, 1}, {0.5, 0.5}, {0.25, 0.25}, {.normalize = true})}),
      (std::vector<T>{4, -2.5, 0, 0}));
  EXPECT_EQ(merge_one<T>("breadcrumbs_ties", {{}, {{}}, given({1}, {0.5}, {0.5})}),
            std::vector<T>{});
}

TYPED_TEST(BreadcrumbsTies, EqualsReference) {
  using T = TypeParam;
  const std::vector<double> w = {0.7, -0.2, 1.1}, gamma = {0.01, 0.2, 0.05};
  const std::vector<double> density = {0.2, 0.5, 0.9};
  for (const std::size_t n : odd_sizes()) {
    for (const BreadcrumbsOptions& options : breadcrumbs_variants()) {
      SCOPED_TRACE(n);
      const auto made = make_tensor<T>(n, 3, given(w, density, gamma, options));
      expect_rounded(merge_one<T>("breadcrumbs_ties", made),
                     breadcrumbs_terms(made, w, density, gamma, options, true), kFusedRoundings<T>);
      const auto coarse = make_coarse_tensor<T>(n, 4, given(w, density, gamma, options));
      expect_rounded(merge_one<T>("breadcrumbs_ties", coarse),
                     breadcrumbs_terms(coarse, w, density, gamma, options, true),
                     kFusedRoundings<T>);
    }
  }
}

TYPED_TEST(BreadcrumbsTies, IsTiesWithoutOutliers) {
  using T = TypeParam;
  const std::vector<double> w = {0.7, 0.2, 1.1}, density = {0.2, 0.5, 0.9};
  auto made = make_tensor<T>(9001, 3, given(w, density, {0, 0, 0}, {.normalize = true}));
  const auto out = merge_one<T>("breadcrumbs_ties", made);
  made.settings = settings_of("ties", {}, weights(w, density));
  EXPECT_EQ(merge_one<T>("ties", made), out);
}

TEST(BreadcrumbsTiesOutline, CountsSweeps) {
  const Descriptor& method = require_method("breadcrumbs_ties");
  Settings settings = given({1}, {0.5}, {0.01});
  EXPECT_EQ(outline_of(method, settings).sweeps, 2u);
  settings.shared["zero_sign"] = std::string("majority");
  EXPECT_EQ(outline_of(method, settings).sweeps, 3u);
  EXPECT_FALSE(settings_of("breadcrumbs_ties", {}, weights({1})).flag("normalize"));
}

}  // namespace
}  // namespace merganser::test
