#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

template <class T>
class AddPerpendicular : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(AddPerpendicular, Types);

Settings with(double alpha) {
  return settings_of("add_perpendicular", {{"alpha", alpha}}, {{}, {}});
}

TYPED_TEST(AddPerpendicular, WrittenOut) {
  using T = TypeParam;
  // A - C = (2, 0), B - C = (3, 4): only the 4 is new.
  const std::vector<T> c = {1, 1}, a = {3, 1}, b = {4, 5};
  EXPECT_EQ(merge_one<T>("add_perpendicular", {c, {a, b}, with(1)}), (std::vector<T>{3, 5}));
  EXPECT_EQ(merge_one<T>("add_perpendicular", {c, {a, b}, with(-0.5)}), (std::vector<T>{3, -1}));
  EXPECT_EQ(merge_one<T>("add_perpendicular", {{}, {{}, {}}, with(1)}), std::vector<T>{});
  // On a line there is nothing perpendicular.
  EXPECT_EQ(merge_one<T>("add_perpendicular", {{1}, {{3}, {9}}, with(1)}), std::vector<T>{3});
}

TYPED_TEST(AddPerpendicular, ZeroDifferencesAddNothing) {
  using T = TypeParam;
  EXPECT_EQ(merge_one<T>("add_perpendicular", {{1, 2}, {{1, 2}, {5, 7}}, with(1)}),
            (std::vector<T>{1, 2}));
  EXPECT_EQ(merge_one<T>("add_perpendicular", {{1, 2}, {{5, 7}, {1, 2}}, with(1)}),
            (std::vector<T>{5, 7}));
  EXPECT_EQ(merge_one<T>("add_perpendicular", {{0, 0}, {{0, 0}, {0, 0}}, with(1)}),
            (std::vector<T>{0, 0}));
}

TYPED_TEST(AddPerpendicular, EqualsReference) {
  using T = TypeParam;
  for (const std::size_t n : odd_sizes()) {
    const auto c = normal<T>(n, 1), a = tuned(c, 2, 0.3);
    // Half along A's difference.
    auto b = tuned(c, 3, 0.2);
    for (std::size_t i = 0; i < n; ++i) b[i] += (a[i] - c[i]) / 2;
    Exact aa = 0, ab = 0;
    for (std::size_t i = 0; i < n; ++i) {
      aa += (Exact{a[i]} - c[i]) * (Exact{a[i]} - c[i]);
      ab += (Exact{a[i]} - c[i]) * (Exact{b[i]} - c[i]);
    }
    for (const double alpha : {0.3, 1.0}) {
      std::vector<Term> terms(n);
      for (std::size_t i = 0; i < n; ++i) {
        terms[i].add(a[i]);
        terms[i].add(alpha * Exact{b[i]});
        terms[i].add(-alpha * Exact{c[i]});
        terms[i].add(-alpha * ab / aa * a[i]);
        terms[i].add(alpha * ab / aa * c[i]);
      }
      // alpha and the projection rounded to T (the latter from deltas rounded to T: as many again),
      // two differences, two products, two sums.
      expect_rounded(merge_one<T>("add_perpendicular", {c, {a, b}, with(alpha)}), terms, 10);
    }
  }
}

TYPED_TEST(AddPerpendicular, TellsTheProjection) {
  using T = TypeParam;
  const Made<T> made{{0, 0}, {{2, 0}, {3, 4}}, with(1)};
  GroupRun<T> run(require_method("add_perpendicular"), {&made}, {});
  run.run();
  const auto facts = run.merger().facts(0);
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_EQ(facts[0].name, "projection");
  EXPECT_EQ(facts[0].values, std::vector<double>{1.5});
}

TEST(AddPerpendicularOutline, CopiesTheFirstModelAtZero) {
  const Descriptor& method = require_method("add_perpendicular");
  EXPECT_EQ(outline_of(method, with(0)).copy, 0u);
  EXPECT_EQ(outline_of(method, with(1)).sweeps, 2u);
}

}  // namespace
}  // namespace merganser::test
