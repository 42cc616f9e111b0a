#include "lora/combine_methods.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"
#include "linalg/testing.h"

namespace merganser {
namespace {

using ::testing::HasSubstr;

std::vector<ModuleFactors> two(std::size_t rank = 3) {
  std::vector<ModuleFactors> factors;
  for (unsigned i = 0; i < 2; ++i) {
    factors.push_back({i, i == 0 ? 0.5 : -2, 1.5 + i, test::gaussian<double>(rank, 13, 10 + i),
                       test::gaussian<double>(rank, 9, 20 + i)});
  }
  return factors;
}

Matrix<double> product_of(const Terms& terms) {
  Matrix<double> scaled(terms.right.rows(), terms.right.cols());
  for (std::size_t r = 0; r < scaled.rows(); ++r) {
    for (std::size_t c = 0; c < scaled.cols(); ++c) {
      scaled(r, c) = terms.right(r, c) * (terms.s.empty() ? 1 : terms.s[r]);
    }
  }
  return test::product<double, double>(terms.left.view(), true, scaled.view(), false);
}

// sum w_i s_i B_i A_i
Matrix<double> expected(const std::vector<ModuleFactors>& factors) {
  Matrix<double> sum(9, 13);
  std::fill_n(sum.data(), 9 * 13, 0.0);
  for (const ModuleFactors& each : factors) {
    const auto own = test::product<double, double>(each.bt.view(), true, each.a.view(), false);
    for (std::size_t i = 0; i < 9 * 13; ++i) {
      sum.data()[i] += each.weight * each.scale * own.data()[i];
    }
  }
  return sum;
}

Terms merged(const char* name, const std::vector<ModuleFactors>& factors, double density = 1,
             bool wide = true) {
  const CombineMethod& method = combine_method(name);
  const ModuleMerge how{method, {method.pruning, density, method.elect, false}, 0, 100, wide,
                        1e-12};
  return merge_module("m", how, factors);
}

TEST(MergeModule, SumsOfProductsAreExact) {
  const auto factors = two();
  for (const char* name : {"exact", "svd", "cat", "dare_linear_svd", "magnitude_prune_svd"}) {
    const Terms terms = merged(name, factors);
    EXPECT_EQ(terms.left.rows(), 6u) << name;
    EXPECT_LT(test::max_difference(product_of(terms), expected(factors)), 1e-12) << name;
  }
  EXPECT_LT(test::max_difference(product_of(merged("dare_linear_svd", factors, 1, false)),
                                 expected(factors)),
            1e-4);  // f32, of elements up to 40
}

TEST(MergeModule, LinearAddsFactors) {
  const auto factors = two();
  const Terms terms = merged("linear", factors);
  ASSERT_EQ(terms.left.rows(), 3u);
  EXPECT_TRUE(terms.s.empty());
  // w s = 0.75 and -5: roots on both sides, the sign on A.
  const double a = std::sqrt(0.75) * factors[0].a(1, 2) - std::sqrt(5) * factors[1].a(1, 2);
  const double b = std::sqrt(0.75) * factors[0].bt(1, 2) + std::sqrt(5) * factors[1].bt(1, 2);
  EXPECT_DOUBLE_EQ(terms.right(1, 2), a);
  EXPECT_DOUBLE_EQ(terms.left(1, 2), b);
}

TEST(MergeModule, OneAdapterIsItself) {
  std::vector<ModuleFactors> one;
  one.push_back(std::move(two()[0]));
  for (const CombineMethod& method : combine_methods()) {
    const Terms terms = merged(std::string(method.name).c_str(), one);
    EXPECT_LT(test::max_difference(product_of(terms), expected(one)), 1e-12) << method.name;
  }
}

TEST(MergeModule, MasksAreKeyedByModuleAndAdapter) {
  const auto factors = two();
  const CombineMethod& method = combine_method("dare_linear");
  const ModuleMerge how{method, {method.pruning, 0.5, false, false}, 3, 100, true, 1e-12};
  const Terms one = merge_module("m", how, factors), again = merge_module("m", how, factors);
  EXPECT_EQ(test::max_difference(one.left, again.left), 0);
  EXPECT_GT(test::max_difference(one.left, merge_module("n", how, factors).left), 0);
}

TEST(CombineMethod, UnknownOneIsRefused) {
  EXPECT_THAT(test::complaint([] { combine_method("tise_svd"); }), HasSubstr("ties_svd"));
}

}  // namespace
}  // namespace merganser
