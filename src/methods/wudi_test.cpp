#include <gtest/gtest.h>

#include "methods/parts/spectral_testing.h"

namespace merganser::test {
namespace {

template <class T>
class Wudi : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Wudi, Types);

Exact norm2(const Dense& a) {
  Exact sum = 0;
  for (const Exact x : a.data) sum += x * x;
  return sum;
}

Exact loss(const Dense& t, const std::vector<Dense>& deltas) {
  Exact sum = 0;
  for (const Dense& d : deltas) {
    if (norm2(d) > 0) sum += norm2((t - d) * transpose(d)) / norm2(d);
  }
  return sum;
}

// Adam with the gradient task by task, as the loss is written.
Dense wudi(const std::vector<Dense>& deltas, int iterations, Exact rate) {
  Dense t(deltas[0].rows, deltas[0].cols), m = t, v = t;
  for (const Dense& d : deltas) t = t + d;
  for (int step = 1; step <= iterations; ++step) {
    Dense g(t.rows, t.cols);
    for (const Dense& d : deltas) {
      if (norm2(d) > 0) g = g + (2 / norm2(d)) * (((t - d) * transpose(d)) * d);
    }
    for (std::size_t i = 0; i < t.data.size(); ++i) {
      m.data[i] = 0.9L * m.data[i] + 0.1L * g.data[i];
      v.data[i] = 0.999L * v.data[i] + 0.001L * g.data[i] * g.data[i];
      t.data[i] -= rate * (m.data[i] / (1 - std::pow(0.9L, step))) /
                   (std::sqrt(v.data[i] / (1 - std::pow(0.999L, step))) + 1e-8L);
    }
  }
  return t;
}

TYPED_TEST(Wudi, WrittenOut) {
  using T = TypeParam;
  // d = 1 and 3 of one element, t = 4: gradient 2 (3 + 1) = 8. The first step of Adam moves by the
  // rate, whatever the gradient.
  const Made<T> made({1}, {{2}, {4}},
                     matrix_settings("wudi", 2, {{"iterations", 1.0}, {"learning_rate", 0.25}}),
                     "w", {1, 1});
  EXPECT_NEAR(merge_one<T>("wudi", made)[0], 4.75, 1e-6);
  auto none = made;
  none.settings.shared["iterations"] = 0.0;
  EXPECT_EQ(merge_one<T>("wudi", none)[0], 5);
}

TYPED_TEST(Wudi, EqualsReference) {
  using T = TypeParam;
  // Square, tall (M is n x n), wide with few rows and low rank (M is a product).
  for (const auto& [m, n, rank] :
       {std::tuple{7, 7, 0}, std::tuple{12, 5, 0}, std::tuple{2, 15, 0}, std::tuple{12, 40, 2}}) {
    const auto one = matrix_case<T>(
        static_cast<std::size_t>(m), static_cast<std::size_t>(n), 3, static_cast<std::size_t>(rank),
        matrix_settings("wudi", 3, {{"iterations", 80.0}, {"learning_rate", 1e-4}}));
    expect_difference(merge_one<T>("wudi", one.made), one.made.base, wudi(one.deltas(), 80, 1e-4L));
  }
}

TYPED_TEST(Wudi, FactsTellTheLoss) {
  using T = TypeParam;
  const auto one = matrix_case<T>(7, 9, 3, 0, matrix_settings("wudi", 3));
  GroupRun<T> run(require_method("wudi"), {&one.made}, {});
  const auto merged = run.run()[0];
  const auto facts = run.merger().facts(0);
  const auto deltas = one.deltas();
  const Dense t(7, 9, delta(merged, one.made.base));
  const Exact before = loss(deltas[0] + deltas[1] + deltas[2], deltas), after = loss(t, deltas);
  EXPECT_LT(after, 0.9L * before);
  EXPECT_NEAR(facts[0].values[0], static_cast<double>(before), 1e-4 * facts[0].values[0]);
  EXPECT_NEAR(facts[1].values[0], static_cast<double>(after), 1e-3 * facts[0].values[0]);
}

TYPED_TEST(Wudi, KeepsWhatMatrixMethodsPromise) {
  check_matrix_method<TypeParam>("wudi", true, {{"iterations", 3.0}});
}

TEST(WudiOutline, OneModelIsCopied) {
  EXPECT_EQ(outline_of(require_method("wudi"), matrix_settings("wudi", 1), {8, 8}).copy, 0u);
}

}  // namespace
}  // namespace merganser::test
