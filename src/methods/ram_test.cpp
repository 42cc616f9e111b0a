#include <gtest/gtest.h>

#include "methods/parts/overlap_testing.h"

namespace merganser::test {
namespace {

Settings above(std::size_t models, double epsilon = 1e-5) {
  return settings_of("ram", {{"epsilon", epsilon}}, std::vector<Settings::Table>(models));
}

template <class T>
class Ram : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Ram, Types);

TYPED_TEST(Ram, WrittenOut) {
  using T = TypeParam;
  // Both; the first alone; none; opposite changes; below epsilon beside one that is not.
  const std::vector<T> b = {1, 1, 1, 1, 1};
  const std::vector<std::vector<T>> models = {{3, 3, 1, 2, 1.25}, {5, 1, 1, 0, 3}};
  EXPECT_EQ(merge_one<T>("ram", {b, models, above(2, 0.25)}), (std::vector<T>{4, 3, 1, 1, 3}));
  EXPECT_EQ(merge_one<T>("ram", {b, models, above(2, 0.2)}), (std::vector<T>{4, 3, 1, 1, 2.125}));
  EXPECT_EQ(merge_one<T>("ram", {{}, {{}, {}}, above(2)}), std::vector<T>{});
  // One model: what it changed by more than epsilon.
  EXPECT_EQ(merge_one<T>("ram", {b, {models[0]}, above(1, 0.25)}), (std::vector<T>{3, 3, 1, 2, 1}));
  EXPECT_EQ(merge_one<T>("ram", {b, {b, b}, above(2, 0)}), b);
}

TYPED_TEST(Ram, EqualsReference) {
  using T = TypeParam;
  for (const std::size_t n : odd_sizes()) {
    for (const std::size_t models : {1u, 2u, 3u, 6u}) {
      for (const double epsilon : {1e-5, 0.0, 0.01}) {
        SCOPED_TRACE(testing::Message() << n << ' ' << models << ' ' << epsilon);
        const auto one = overlapping<T>(n, models, above(models, epsilon));
        // A sum of up to six changes, a quotient, the base.
        expect_rounded(merge_one("ram", one),
                       merged_overlap(one, epsilon, std::vector<Exact>(models, 1)), 7);
      }
    }
  }
}

TEST(RamOutline, ReadsOnce) {
  EXPECT_EQ(outline_of(require_method("ram"), above(2)).sweeps, 1u);
  EXPECT_EQ(outline_of(require_method("ram"), above(1)).copy, Outline::kNoCopy);
}

}  // namespace
}  // namespace merganser::test
