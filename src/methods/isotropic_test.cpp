#include <gtest/gtest.h>

#include "methods/parts/spectral_testing.h"

namespace merganser::test {
namespace {

template <class T>
class Isotropic : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Isotropic, Types);

TYPED_TEST(Isotropic, WrittenOut) {
  using T = TypeParam;
  // The differences add up to diag(4, -2): singular values 4 and 2, their mean 3.
  const Made<T> made({1, 1, 1, 1}, {{4, 1, 1, 1}, {2, 1, 1, -1}}, matrix_settings("isotropic", 2),
                     "w", {2, 2});
  const auto y = merge_one<T>("isotropic", made);
  EXPECT_NEAR(y[0], 4, 1e-6);
  EXPECT_NEAR(y[1], 1, 1e-6);
  EXPECT_NEAR(y[2], 1, 1e-6);
  EXPECT_NEAR(y[3], -2, 1e-6);
}

TYPED_TEST(Isotropic, MissingDirectionsStayOut) {
  using T = TypeParam;
  // diag(6, 0, 0): one direction, and the mean is over three.
  Made<T> made;
  made.base = std::vector<T>(9, 1);
  made.shape = {3, 3};
  made.models = {made.base};
  made.models[0][0] = 7;
  made.settings = matrix_settings("isotropic", 1);
  const auto y = merge_one<T>("isotropic", made);
  for (std::size_t i = 0; i < 9; ++i) EXPECT_NEAR(y[i], i == 0 ? 3 : 1, 1e-6);
}

Dense iso_c(const std::vector<Dense>& deltas) {
  Dense sum(deltas[0].rows, deltas[0].cols);
  for (const Dense& d : deltas) sum = sum + d;
  const DenseSvd svd = jacobi_svd(sum);
  Exact mean = 0;
  for (const Exact s : svd.s) mean += s / static_cast<Exact>(std::min(sum.rows, sum.cols));
  return mean * (svd.u * svd.vt);
}

TYPED_TEST(Isotropic, EqualsReference) {
  using T = TypeParam;
  for (const auto& [m, n, rank] :
       {std::tuple{9, 9, 0}, std::tuple{6, 11, 0}, std::tuple{13, 5, 0}, std::tuple{9, 12, 2}}) {
    for (const std::size_t models : {1, 3}) {
      const auto one = matrix_case<T>(static_cast<std::size_t>(m), static_cast<std::size_t>(n),
                                      models, static_cast<std::size_t>(rank),
                                      matrix_settings("isotropic", models, {{"lambda", 1.5}}));
      expect_difference(merge_one<T>("isotropic", one.made), one.made.base,
                        1.5L * iso_c(one.deltas()));
    }
  }
}

// Iso-CTS with `common` directions of the sum and `own` of each task.
Dense iso_cts(const std::vector<Dense>& deltas, std::size_t common, std::size_t own) {
  Dense sum(deltas[0].rows, deltas[0].cols);
  for (const Dense& d : deltas) sum = sum + d;
  const DenseSvd shared = jacobi_svd(sum, common);
  Dense left = shared.u, right = shared.vt;
  std::vector<Exact> s = shared.s;
  for (const Dense& d : deltas) {
    const DenseSvd rest = jacobi_svd(d - shared.u * (transpose(shared.u) * d), own);
    left = beside(left, rest.u);
    right = below(right, rest.vt);
    s.insert(s.end(), rest.s.begin(), rest.s.end());
  }
  Exact mean = 0;
  for (const Exact x : s) mean += x / static_cast<Exact>(std::min(sum.rows, sum.cols));
  return mean * (polar(left) * polar(right));
}

TYPED_TEST(Isotropic, CommonAndTaskSpaces) {
  using T = TypeParam;
  struct Case {
    std::size_t rows, cols, models;
    double fraction;
    std::size_t common, own;
  };
  // min(m, n) (1 - fraction) / T, rounded half to even, of each task; the rest is common.
  for (const Case& c :
       {Case{10, 12, 2, 0.8, 8, 1}, Case{12, 10, 3, 0.4, 4, 2}, Case{9, 9, 2, 0.45, 5, 2},
        Case{10, 10, 2, 0.5, 6, 2}, Case{6, 7, 4, 0.0, 2, 1}, Case{6, 7, 2, 1.0, 6, 0}}) {
    SCOPED_TRACE(c.fraction);
    const auto one = matrix_case<T>(
        c.rows, c.cols, c.models, 0,
        matrix_settings("isotropic", c.models,
                        {{"mode", "common_task"}, {"common_space_fraction", c.fraction}}));
    expect_difference(merge_one<T>("isotropic", one.made), one.made.base,
                      iso_cts(one.deltas(), c.common, c.own));
  }
}

TYPED_TEST(Isotropic, CommonAndTaskSpacesOfLowRank) {
  using T = TypeParam;
  // The sum holds all directions of both tasks: nothing is left for their own spaces.
  const auto one =
      matrix_case<T>(20, 24, 2, 3, matrix_settings("isotropic", 2, {{"mode", "common_task"}}));
  expect_difference(merge_one<T>("isotropic", one.made), one.made.base, iso_c(one.deltas()));
}

TYPED_TEST(Isotropic, KeepsWhatMatrixMethodsPromise) {
  check_matrix_method<TypeParam>("isotropic", true);
  check_matrix_method<TypeParam>("isotropic", true, {{"mode", "common_task"}});
}

TEST(IsotropicFacts, TellRankAndValues) {
  const auto one = matrix_case<float>(8, 9, 2, 2, matrix_settings("isotropic", 2));
  GroupRun<float> run(require_method("isotropic"), {&one.made}, {});
  run.run();
  const auto facts = run.merger().facts(0);
  ASSERT_EQ(facts.size(), 3u);
  EXPECT_EQ(facts[0].name, "rank");
  EXPECT_EQ(facts[0].values, std::vector<double>{4});
}

}  // namespace
}  // namespace merganser::test
