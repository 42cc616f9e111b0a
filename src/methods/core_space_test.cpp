#include <gtest/gtest.h>

#include "methods/parts/spectral_testing.h"

namespace merganser::test {
namespace {

template <class T>
class CoreSpace : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(CoreSpace, Types);

// Where the bases of the core space do not matter the results are those of the full space, but for
// the mean, which is over the core's directions.
TYPED_TEST(CoreSpace, IsotropicMeanIsOverTheCore) {
  using T = TypeParam;
  const auto one = matrix_case<T>(20, 24, 3, 2, matrix_settings("core_space", 3));
  const auto d = one.deltas();
  const DenseSvd svd = jacobi_svd(d[0] + d[1] + d[2]);
  ASSERT_EQ(svd.s.size(), 6u);
  Exact mean = 0;
  for (const Exact s : svd.s) mean += s / 6;
  expect_difference(merge_one<T>("core_space", one.made), one.made.base, mean * (svd.u * svd.vt));
}

TYPED_TEST(CoreSpace, AddingUpIsLossless) {
  using T = TypeParam;
  for (const std::size_t rank : {0, 2}) {
    const auto one = matrix_case<T>(
        15, 12, 3, rank, matrix_settings("core_space", 3, {{"merge", "task_arithmetic"}}));
    const auto d = one.deltas();
    expect_difference(merge_one<T>("core_space", one.made), one.made.base, d[0] + d[1] + d[2]);
  }
}

TYPED_TEST(CoreSpace, TaskDirections) {
  using T = TypeParam;
  // Three tasks of rank 2 in a core of 6: each keeps its 2, as without a core.
  const auto one =
      matrix_case<T>(15, 18, 3, 2, matrix_settings("core_space", 3, {{"merge", "tsv"}}));
  Dense left, right;
  std::vector<Exact> s;
  for (const Dense& d : one.deltas()) {
    const DenseSvd svd = jacobi_svd(d);
    left = s.empty() ? svd.u : beside(left, svd.u);
    right = s.empty() ? svd.vt : below(right, svd.vt);
    s.insert(s.end(), svd.s.begin(), svd.s.end());
  }
  expect_difference(merge_one<T>("core_space", one.made), one.made.base,
                    polar(left) * diagonal(s) * polar(right));
}

TYPED_TEST(CoreSpace, TiesInTheCore) {
  using T = TypeParam;
  auto settings = matrix_settings("core_space", 2, {{"merge", "ties"}});
  for (auto& table : settings.per_input) table["density"] = 1.0;
  const auto one = matrix_case<T>(14, 16, 2, 2, settings);
  // The bases from the stacked factors with the singular values shared out.
  Dense left, right;
  std::vector<DenseSvd> tasks;
  for (const Dense& d : one.deltas()) {
    DenseSvd svd = jacobi_svd(d);
    std::vector<Exact> roots;
    for (const Exact s : svd.s) roots.push_back(std::sqrt(s));
    left = tasks.empty() ? svd.u * diagonal(roots) : beside(left, svd.u * diagonal(roots));
    right = tasks.empty() ? diagonal(roots) * svd.vt : below(right, diagonal(roots) * svd.vt);
    tasks.push_back(std::move(svd));
  }
  const Dense u = jacobi_svd(left).u, vt = jacobi_svd(right).vt;
  std::vector<Dense> cores;
  for (const DenseSvd& svd : tasks) {
    cores.push_back(transpose(u) * svd.u * diagonal(svd.s) * svd.vt * transpose(vt));
  }
  Dense core(u.cols, vt.rows);
  for (std::size_t i = 0; i < core.data.size(); ++i) {
    const Exact a = cores[0].data[i], b = cores[1].data[i];
    core.data[i] = (a > 0) == (b > 0) ? (a + b) / 2 : (std::abs(a) > std::abs(b) ? a : b);
  }
  expect_difference(merge_one<T>("core_space", one.made), one.made.base, u * core * vt);
}

TYPED_TEST(CoreSpace, RankCutsTheDifferences) {
  using T = TypeParam;
  const auto one = matrix_case<T>(
      10, 12, 2, 0,
      matrix_settings("core_space", 2, {{"merge", "task_arithmetic"}, {"rank", 3.0}}));
  Dense wanted(10, 12);
  for (const Dense& d : one.deltas()) {
    const DenseSvd svd = jacobi_svd(d, 3);
    wanted = wanted + svd.u * diagonal(svd.s) * svd.vt;
  }
  expect_difference(merge_one<T>("core_space", one.made), one.made.base, wanted);
}

TYPED_TEST(CoreSpace, FullRanksFollowTheRule) {
  using T = TypeParam;
  const auto with = [](const char* rule) {
    return matrix_case<T>(6, 8, 2, 0, matrix_settings("core_space", 2, {{"full_rank", rule}}));
  };
  EXPECT_THROW(merge_one<T>("core_space", with("error").made), Error);
  const auto mean = with("mean");
  const auto d = mean.deltas();
  expect_difference(merge_one<T>("core_space", mean.made), mean.made.base, 0.5L * (d[0] + d[1]));
  // In a core that is the whole space, isotropic is the method of that name.
  auto plain = with("exact").made;
  plain.settings = matrix_settings("isotropic", 2);
  const auto iso = merge_one<T>("isotropic", plain);
  expect_difference(merge_one<T>("core_space", with("exact").made), plain.base,
                    Dense(6, 8, delta(iso, plain.base)));
  // Low ranks are no case for the rule.
  const auto low =
      matrix_case<T>(9, 9, 2, 2, matrix_settings("core_space", 2, {{"full_rank", "error"}}));
  EXPECT_NO_THROW(merge_one<T>("core_space", low.made));
}

TYPED_TEST(CoreSpace, KeepsWhatMatrixMethodsPromise) {
  for (const char* merge : {"isotropic", "tsv", "ties", "task_arithmetic"}) {
    check_matrix_method<TypeParam>("core_space", true, {{"merge", merge}});
  }
}

}  // namespace
}  // namespace merganser::test
