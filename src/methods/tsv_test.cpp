#include <gtest/gtest.h>

#include "methods/parts/spectral_testing.h"

namespace merganser::test {
namespace {

template <class T>
class Tsv : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Tsv, Types);

TYPED_TEST(Tsv, WrittenOut) {
  using T = TypeParam;
  // Each of two tasks keeps one direction of two: 4 e1 e1^T and -2 e2 e2^T; they are orthogonal.
  const Made<T> made({1, 1, 1, 1}, {{5, 1, 1, 2}, {2, 1, 1, -1}}, matrix_settings("tsv", 2), "w",
                     {2, 2});
  const auto y = merge_one<T>("tsv", made);
  EXPECT_NEAR(y[0], 5, 1e-6);
  EXPECT_NEAR(y[1], 1, 1e-6);
  EXPECT_NEAR(y[2], 1, 1e-6);
  EXPECT_NEAR(y[3], -1, 1e-6);
}

Dense tsv(const std::vector<Dense>& deltas, std::size_t most) {
  Dense left, right;
  std::vector<Exact> s;
  for (const Dense& d : deltas) {
    const DenseSvd svd = jacobi_svd(d, most);
    left = s.empty() ? svd.u : beside(left, svd.u);
    right = s.empty() ? svd.vt : below(right, svd.vt);
    s.insert(s.end(), svd.s.begin(), svd.s.end());
  }
  return polar(left) * diagonal(s) * polar(right);
}

TYPED_TEST(Tsv, EqualsReference) {
  using T = TypeParam;
  struct Case {
    std::size_t rows, cols, models, rank, most;
  };
  for (const Case& c : {Case{9, 9, 2, 0, 4}, Case{6, 11, 3, 0, 2}, Case{13, 7, 2, 0, 3},
                        Case{12, 14, 2, 3, 3}, Case{3, 5, 4, 0, 1}}) {
    const auto one = matrix_case<T>(c.rows, c.cols, c.models, c.rank,
                                    matrix_settings("tsv", c.models, {{"lambda", 0.7}}));
    expect_difference(merge_one<T>("tsv", one.made), one.made.base,
                      0.7L * tsv(one.deltas(), c.most));
  }
}

TYPED_TEST(Tsv, LosslessKeepsAllDirections) {
  using T = TypeParam;
  for (const auto& [m, n, rank] :
       {std::tuple{6, 8, 0}, std::tuple{9, 5, 0}, std::tuple{12, 9, 2}}) {
    const auto one = matrix_case<T>(static_cast<std::size_t>(m), static_cast<std::size_t>(n), 3,
                                    static_cast<std::size_t>(rank),
                                    matrix_settings("tsv", 3, {{"mode", "lossless"}}));
    expect_difference(merge_one<T>("tsv", one.made), one.made.base, tsv(one.deltas(), 1000));
  }
}

TYPED_TEST(Tsv, WeightsScaleTheTaskVectorsFirst) {
  using T = TypeParam;
  auto one = matrix_case<T>(7, 8, 2, 0, matrix_settings("tsv", 2));
  one.made.settings.per_input[1]["weight"] = -0.5;
  auto deltas = one.deltas();
  deltas[1] = -0.5L * deltas[1];
  expect_difference(merge_one<T>("tsv", one.made), one.made.base, tsv(deltas, 3));
}

TYPED_TEST(Tsv, KeepsWhatMatrixMethodsPromise) {
  check_matrix_method<TypeParam>("tsv", true);
  check_matrix_method<TypeParam>("tsv", true, {{"mode", "lossless"}});
}

TEST(TsvOutline, OneModelIsCopied) {
  const Descriptor& tsv = require_method("tsv");
  EXPECT_EQ(outline_of(tsv, matrix_settings("tsv", 1), {8, 8}).copy, 0u);
  EXPECT_EQ(outline_of(tsv, matrix_settings("tsv", 1, {{"lambda", 0.5}}), {8, 8}).copy,
            Outline::kNoCopy);
  const auto lossless = matrix_settings("tsv", 4, {{"mode", "lossless"}});
  EXPECT_GT(outline_of(tsv, lossless, {512, 512}).workspace,
            outline_of(tsv, matrix_settings("tsv", 4), {512, 512}).workspace);
}

TEST(TsvFacts, TellRanksAndEnergies) {
  const auto one = matrix_case<float>(8, 9, 2, 2, matrix_settings("tsv", 2));
  GroupRun<float> run(require_method("tsv"), {&one.made}, {});
  run.run();
  const auto facts = run.merger().facts(0);
  ASSERT_EQ(facts.size(), 2u);
  EXPECT_EQ(facts[0].values, (std::vector<double>{2, 2}));
  EXPECT_NEAR(facts[1].values[0], 1, 1e-9);
}

}  // namespace
}  // namespace merganser::test
