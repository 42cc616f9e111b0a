#include <gtest/gtest.h>

#include "methods/parts/spectral_testing.h"

namespace merganser::test {
namespace {

template <class T>
class Svc : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Svc, Types);

TYPED_TEST(Svc, WrittenOut) {
  using T = TypeParam;
  // d1 = diag(1, 4), d2 = diag(1, -1), sum diag(2, 3). First direction (value 3): c = 3/4 and -3,
  // the latter counted as alpha = 1/2: 2 / 1.25 = 1.6. Second (value 2): c = 2 and 2: 1/2.
  const Made<T> made({0, 0, 0, 0}, {{1, 0, 0, 4}, {1, 0, 0, -1}},
                     matrix_settings("svc", 2, {{"lambda", 1.0}, {"alpha", 0.5}}), "w", {2, 2});
  const auto y = merge_one<T>("svc", made);
  EXPECT_NEAR(y[0], 1, 1e-6);
  EXPECT_NEAR(y[3], 4.8, 1e-6);
  EXPECT_NEAR(y[1], 0, 1e-6);
  EXPECT_NEAR(y[2], 0, 1e-6);
}

TYPED_TEST(Svc, EqualsReference) {
  using T = TypeParam;
  for (const auto& [m, n, rank] :
       {std::tuple{8, 8, 0}, std::tuple{5, 9, 0}, std::tuple{11, 6, 0}, std::tuple{12, 13, 2}}) {
    for (const double alpha : {0.1, 1.0}) {
      const auto one = matrix_case<T>(static_cast<std::size_t>(m), static_cast<std::size_t>(n), 3,
                                      static_cast<std::size_t>(rank),
                                      matrix_settings("svc", 3, {{"alpha", alpha}}));
      const auto deltas = one.deltas();
      const Dense merged = 0.3L * (deltas[0] + deltas[1] + deltas[2]);  // lambda's default
      const DenseSvd svd = jacobi_svd(merged);
      std::vector<Exact> values;
      for (std::size_t r = 0; r < svd.s.size(); ++r) {
        Exact sum = 0;
        for (const Dense& d : deltas) {
          Exact shared = 0, size = 0;
          for (std::size_t j = 0; j < d.cols; ++j) {
            Exact own = 0;
            for (std::size_t i = 0; i < d.rows; ++i) own += svd.u(i, r) * d(i, j);
            shared += svd.s[r] * svd.vt(r, j) * own;
            size += own * own;
          }
          sum += std::max<Exact>(alpha, shared / size);
        }
        values.push_back(svd.s[r] * 3 / sum);
      }
      expect_difference(merge_one<T>("svc", one.made), one.made.base,
                        svd.u * diagonal(values) * svd.vt);
    }
  }
}

TYPED_TEST(Svc, OneModelComesOutAsItIs) {
  using T = TypeParam;
  // Its only response is contained lambda times in the sum: calibration takes that back.
  const auto one =
      matrix_case<T>(6, 5, 1, 0, matrix_settings("svc", 1, {{"lambda", 0.3}, {"alpha", 0.1}}));
  expect_difference(merge_one<T>("svc", one.made), one.made.base, one.deltas()[0]);
}

TYPED_TEST(Svc, AlphaOfZero) {
  using T = TypeParam;
  for (const T x : merge_one<T>(
           "svc", matrix_case<T>(6, 5, 3, 0, matrix_settings("svc", 3, {{"alpha", 0.0}})).made)) {
    EXPECT_TRUE(std::isfinite(x));
  }
}

TYPED_TEST(Svc, KeepsWhatMatrixMethodsPromise) { check_matrix_method<TypeParam>("svc", false); }

}  // namespace
}  // namespace merganser::test
