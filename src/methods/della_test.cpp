#include <gtest/gtest.h>

#include "methods/parts/della_testing.h"

namespace merganser::test {
namespace {

template <class T>
class Della : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Della, Types);

Settings given(const std::vector<double>& w, const std::vector<double>& density,
               const std::vector<double>& epsilon, const DellaOptions& options = {}) {
  return della_settings("della", w, density, epsilon, options);
}

TYPED_TEST(Della, WrittenOut) {
  using T = TypeParam;
  // Density 1: election and mean, unlike DARE-TIES by default. Votes 2, 3 and 0 -> +.
  const std::vector<std::vector<T>> models = {{4, -1, 2, 0}, {-2, 4, -2, 0}};
  const std::vector<T> base(4, 0);
  Settings settings = settings_of("della", {}, weights({1, 3}));
  EXPECT_EQ(merge_one<T>("della", {base, {{4, -1, 2, 0}, {2, 4, -2, 0}}, settings}),
            (std::vector<T>{2.5, 4, -2, 0}));
  EXPECT_EQ(merge_one<T>("della", {base, models, given({1, 1}, {1, 1}, {0.15, 0.15})}),
            (std::vector<T>{4, 4, 2, 0}));
  EXPECT_EQ(merge_one<T>("della", {{1, 2}, {{3, 2}}, given({1}, {0}, {0.15})}),
            (std::vector<T>{1, 2}));
  EXPECT_EQ(merge_one<T>("della", {{}, {{}}, given({1}, {0.5}, {0.15})}), std::vector<T>{});
}

TYPED_TEST(Della, EqualsReferenceGivenTheMask) {
  using T = TypeParam;
  const std::vector<double> w = {0.7, -0.2, 1.1}, density = {0.3, 0.5, 0.9},
                            epsilon = {0.15, 0.4, 0.05};
  for (const Shape& shape : della_shapes()) {
    for (const DellaOptions& options : della_variants()) {
      SCOPED_TRACE(to_string(shape));
      const auto made = shaped_tensor<T>(shape, 3, given(w, density, epsilon, options));
      expect_rounded(merge_one<T>("della", made, 77),
                     della_terms(made, w, density, epsilon, 77, options, true), kFusedRoundings<T>);
    }
  }
}

TYPED_TEST(Della, MajorityOverTheDroppedDeltas) {
  using T = TypeParam;
  // Opposite models at density 1: every vote is tied but three, which are negative.
  std::vector<T> a(9, 1), b(9, -1);
  for (std::size_t i = 0; i < 3; ++i) a[i] = -1;
  Settings settings = given({1, 1}, {1, 1}, {0.15, 0.15});
  settings.shared["zero_sign"] = std::string("majority");
  EXPECT_EQ(merge_one<T>("della", {std::vector<T>(9), {a, b}, settings})[8], T{-1});
}

TEST(DellaOutline, CountsSweepsAndWantsWholeRows) {
  const Descriptor& method = require_method("della");
  Settings settings = given({1}, {0.5}, {0.15});
  EXPECT_EQ(outline_of(method, settings).sweeps, 2u);
  EXPECT_EQ(outline_of(method, settings).unit, Unit::row);
  settings.shared["zero_sign"] = std::string("majority");
  EXPECT_EQ(outline_of(method, settings).sweeps, 3u);
  EXPECT_TRUE(settings_of("della", {}, weights({1})).flag("normalize"));
}

}  // namespace
}  // namespace merganser::test
