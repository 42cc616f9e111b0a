#include <gtest/gtest.h>

#include "methods/testing.h"

namespace merganser::test {
namespace {

Settings given(std::size_t inputs) {
  return settings_of("smile", {}, std::vector<Settings::Table>(inputs));
}

template <class T>
class Smile : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Smile, Types);

// The mixture leaves to the merger only what has no experts: the plain average of the fine-tunes.
TYPED_TEST(Smile, RestIsTheAverage) {
  using T = TypeParam;
  const std::vector<T> base = {1, 2, 3};
  EXPECT_EQ(merge_one<T>("smile", {base, {{2, 2, 1}, {1, 6, 3}}, given(2)}),
            (std::vector<T>{1.5, 4, 2}));
  EXPECT_EQ(merge_one<T>("smile", {base, {{2, 2, 1}}, given(1)}), (std::vector<T>{2, 2, 1}));
  for (const std::size_t n : odd_sizes()) {
    const auto weights = normal<T>(n, 1);
    std::vector<std::vector<T>> models;
    std::vector<Term> terms(n);
    for (std::size_t i = 0; i < n; ++i) terms[i].add(weights[i]);
    for (unsigned m = 0; m < 3; ++m) {
      models.push_back(tuned(weights, 10 + m));
      const auto d = delta(models[m], weights);  // rounded to T here and there
      for (std::size_t i = 0; i < n; ++i) terms[i].add(Exact{d[i]} / 3);
    }
    // The third is rounded, then a product and three sums, the base's among them.
    expect_rounded(merge_one<T>("smile", {weights, models, given(3)}), terms, 5);
  }
}

}  // namespace
}  // namespace merganser::test
