#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"
#include "linalg/svd.h"
#include "methods/parts/spectral_testing.h"

namespace merganser::test {
namespace {

using ::testing::HasSubstr;

constexpr const char* kName = "low_rank_task_arithmetic";

Settings cut_to(std::size_t models, double rank, Settings::Table more = {}) {
  more["rank"] = rank;
  return matrix_settings(kName, models, std::move(more));
}

Dense cut(const Dense& d, std::size_t rank) {
  const DenseSvd svd = jacobi_svd(d, rank);
  return svd.u * diagonal(svd.s) * svd.vt;
}

template <class T>
std::vector<Fact> facts_of(const Made<T>& made) {
  GroupRun<T> run(require_method(kName), {&made}, {});
  run.run();
  return run.merger().facts(0);
}

template <class T>
class LowRankTaskArithmetic : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(LowRankTaskArithmetic, Types);

TYPED_TEST(LowRankTaskArithmetic, WrittenOut) {
  using T = TypeParam;
  // diag(1, 4) and diag(-2, 1), each cut to one direction: diag(0, 4) - 3 diag(-2, 0), halved.
  Made<T> made({1, 1, 1, 1}, {{2, 1, 1, 5}, {-1, 1, 1, 2}}, cut_to(2, 1, {{"lambda", 0.5}}), "w",
               {2, 2});
  made.settings.per_input[1]["weight"] = -3.0;
  const auto y = merge_one<T>(kName, made);
  EXPECT_NEAR(y[0], 4, 1e-6);
  EXPECT_NEAR(y[1], 1, 1e-6);
  EXPECT_NEAR(y[2], 1, 1e-6);
  EXPECT_NEAR(y[3], 3, 1e-6);
}

TYPED_TEST(LowRankTaskArithmetic, EqualsReference) {
  using T = TypeParam;
  for (const auto& [m, n, rank] :
       {std::tuple{8, 8, 0}, std::tuple{5, 9, 0}, std::tuple{11, 6, 0}, std::tuple{12, 13, 3}}) {
    for (const std::size_t k : {1, 2, 4}) {
      auto one = matrix_case<T>(static_cast<std::size_t>(m), static_cast<std::size_t>(n), 3,
                                static_cast<std::size_t>(rank),
                                cut_to(3, static_cast<double>(k), {{"lambda", 0.7}}));
      one.made.settings.per_input[2]["weight"] = -0.5;
      const auto d = one.deltas();
      expect_difference(merge_one<T>(kName, one.made), one.made.base,
                        0.7L * (cut(d[0], k) + cut(d[1], k) - 0.5L * cut(d[2], k)));
    }
  }
}

TYPED_TEST(LowRankTaskArithmetic, EachModelHasItsRank) {
  using T = TypeParam;
  auto one = matrix_case<T>(7, 9, 3, 0, cut_to(3, 2));
  one.made.settings.per_input[1]["rank"] = 1.0;
  one.made.settings.per_input[2]["rank"] = 1000.0;  // more than there are: all of it
  const auto d = one.deltas();
  expect_difference(merge_one<T>(kName, one.made), one.made.base,
                    cut(d[0], 2) + cut(d[1], 1) + d[2]);
  const auto facts = facts_of(one.made);
  ASSERT_EQ(facts.size(), 3u);
  EXPECT_EQ(facts[0].name, "ranks");
  EXPECT_EQ(facts[0].values, (std::vector<double>{2, 1, 7}));
  EXPECT_EQ(facts[1].name, "energy_kept");
  const DenseSvd svd = jacobi_svd(d[0]);
  Exact kept = 0, all = 0;
  for (std::size_t r = 0; r < svd.s.size(); ++r) {
    all += svd.s[r] * svd.s[r];
    if (r < 2) kept += svd.s[r] * svd.s[r];
  }
  EXPECT_NEAR(facts[1].values[0], static_cast<double>(kept / all), 1e-5);
  EXPECT_EQ(facts[1].values[2], 1);
  EXPECT_EQ(facts[2].name, "error_bound_beyond_best");
}

TYPED_TEST(LowRankTaskArithmetic, NothingCutIsTaskArithmetic) {
  using T = TypeParam;
  auto one = matrix_case<T>(6, 10, 2, 0, cut_to(2, 6, {{"lambda", 0.3}}));
  auto plain = one.made;
  plain.settings = settings_of("task_arithmetic", {{"lambda", 0.3}}, weights({1, 1}));
  const auto wanted = merge_one<T>("task_arithmetic", plain);
  const auto near = [&](const std::vector<T>& got) {
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_NEAR(got[i], wanted[i], std::numeric_limits<T>::epsilon());
    }
  };
  near(merge_one<T>(kName, one.made));
  one.made.settings = matrix_settings(kName, 2, {{"lambda", 0.3}, {"energy", 1.0}});
  near(merge_one<T>(kName, one.made));
}

TYPED_TEST(LowRankTaskArithmetic, EnergyFindsTheRank) {
  using T = TypeParam;
  // Squares 16, 4, 1 of 21: 0.762, 0.952, 1.
  const std::vector<T> base(9, T{1});
  const std::vector<T> model = {3, 1, 1, 1, 5, 1, 1, 1, 2};
  const auto ranks = [&](Settings::Table how) {
    const Made<T> made(base, {model}, matrix_settings(kName, 1, std::move(how)), "w", {3, 3});
    return facts_of(made)[0].values[0];
  };
  EXPECT_EQ(ranks({{"energy", 0.01}}), 1);
  EXPECT_EQ(ranks({{"energy", 0.76}}), 1);
  EXPECT_EQ(ranks({{"energy", 0.77}}), 2);
  EXPECT_EQ(ranks({{"energy", 0.96}}), 3);
  EXPECT_EQ(ranks({{"energy", 0.96}, {"rank", 2.0}}), 2);  // both bind
  EXPECT_EQ(ranks({{"energy", 0.5}, {"rank", 2.0}}), 1);
  const auto y = merge_one<T>(
      kName, Made<T>(base, {model}, matrix_settings(kName, 1, {{"energy", 0.9}}), "w", {3, 3}));
  EXPECT_NEAR(y[0], 3, 1e-6);
  EXPECT_NEAR(y[4], 5, 1e-6);
  EXPECT_NEAR(y[8], 1, 1e-6);
}

TYPED_TEST(LowRankTaskArithmetic, LargeMatricesAgainstLapack) {
  using T = TypeParam;
  // Beyond the size at which shortcuts are taken; full rank, and a rank below the cut.
  for (const std::size_t rank : {0, 5}) {
    const std::size_t m = 300, n = 270, k = 8;
    auto one = matrix_case<T>(m, n, 1, rank, cut_to(1, k, {{"svd_tolerance", 0.0}}));
    Matrix<double> d(m, n);
    for (std::size_t i = 0; i < m * n; ++i) {
      d.data()[i] = static_cast<double>(one.made.models[0][i] - one.made.base[i]);
    }
    Svd<double> svd = lapack_svd(std::move(d));
    Exact tail = 0;
    for (std::size_t r = k; r < svd.s.size(); ++r) tail += svd.s[r] * svd.s[r];
    Dense wanted(m, n);
    const std::size_t there = rank == 0 ? k : rank;  // behind these only rounding is left
    for (std::size_t r = 0; r < there; ++r) {
      for (std::size_t i = 0; i < m; ++i) {
        for (std::size_t j = 0; j < n; ++j) {
          wanted(i, j) += Exact{svd.s[r]} * svd.ut(r, i) * svd.vt(r, j);
        }
      }
    }
    expect_difference(merge_once<T>(kName, {one.made}, {})[0], one.made.base, wanted);
    if (rank != 0) continue;
    // Within the tolerance the error is hardly larger than the best.
    one.made.settings.shared["svd_tolerance"] = 0.05;
    const auto y = merge_once<T>(kName, {one.made}, {})[0];
    Exact error = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      error += (Exact{y[i]} - one.made.models[0][i]) * (Exact{y[i]} - one.made.models[0][i]);
    }
    EXPECT_LE(std::sqrt(error), 1.0501L * std::sqrt(tail));
  }
}

TYPED_TEST(LowRankTaskArithmetic, KeepsWhatMatrixMethodsPromise) {
  check_matrix_method<TypeParam>(kName, false, {{"rank", 2.0}});
  check_matrix_method<TypeParam>(kName, false, {{"energy", 0.5}});
}

TEST(LowRankTaskArithmeticOutline, CopiesWhatNeedsNoWork) {
  const Descriptor& method = require_method(kName);
  // One whole model is that model; one that is cut is not.
  EXPECT_EQ(outline_of(method, cut_to(1, 8), {8, 9}).copy, 0u);
  EXPECT_EQ(outline_of(method, cut_to(1, 7), {8, 9}).copy, Outline::kNoCopy);
  EXPECT_EQ(outline_of(method, cut_to(1, 8, {{"energy", 0.9}}), {8, 9}).copy, Outline::kNoCopy);
  EXPECT_EQ(outline_of(method, cut_to(2, 4, {{"vectors", std::string("base")}}), {8}).copy,
            Outline::kCopyBase);
  EXPECT_EQ(outline_of(method, cut_to(2, 4, {{"vectors", std::string("base")}}), {8, 8}).copy,
            Outline::kNoCopy);
  MergeTensor tokens{"w", {8, 8}, 64, cut_to(2, 4, {{"vocabulary", std::string("base")}}), {}};
  tokens.vocabulary = true;
  EXPECT_EQ(method.outline(tokens).copy, Outline::kCopyBase);
  // The smaller the rank, the less memory.
  EXPECT_GT(outline_of(method, cut_to(2, 400), {512, 512}).workspace,
            outline_of(method, cut_to(2, 4), {512, 512}).workspace);
}

TEST(LowRankTaskArithmeticOutline, NeedsToKnowHowMuch) {
  const Descriptor& method = require_method(kName);
  EXPECT_THAT(complaint([&] {
                outline_of(method, matrix_settings(kName, 1), {8, 8});
              }),
              HasSubstr("neither 'rank' nor 'energy'"));
  EXPECT_THAT(complaint([&] {
                outline_of(method, matrix_settings(kName, 1, {{"energy", 0.0}}), {8, 8});
              }),
              HasSubstr("nothing is kept"));
  // Of a model that is left out nobody asks.
  auto settings = cut_to(2, 4);
  settings.per_input[1].erase("rank");
  settings.per_input[1]["weight"] = 0.0;
  EXPECT_EQ(outline_of(method, settings, {8, 8}).copy, Outline::kNoCopy);
}

}  // namespace
}  // namespace merganser::test
