#include "linalg/cholesky.h"

#include <gtest/gtest.h>

#include <cmath>

#include "linalg/gram.h"
#include "linalg/narrowed.h"
#include "linalg/testing.h"

namespace merganser::test {
namespace {

TEST(Cholesky, FactorsAndSolves) {
  const Matrix<double> x = gaussian<double>(40, 17, 1);
  Matrix<double> r = gram<double>(x.view(), Side::right);
  const Matrix<double> whole = product<double, double>(x.view(), true, x.view(), false);
  ASSERT_TRUE(cholesky(r.view()));
  for (std::size_t i = 0; i < 17; ++i) {
    for (std::size_t j = 0; j < i; ++j) r(i, j) = 0;
  }
  EXPECT_LT(max_difference(product<double, double>(r.view(), true, r.view(), false), whole), 1e-12);

  const Matrix<double> b = gaussian<double>(17, 5, 2);
  Matrix<double> y = gaussian<double>(17, 5, 2);
  solve_transposed<double>(std::as_const(r).view(), y.view());
  EXPECT_LT(max_difference(product<double, double>(r.view(), true, y.view(), false), b), 1e-13);

  const Matrix<float> rf = narrowed<float>(std::move(r));
  Matrix<float> yf = gaussian<float>(17, 5, 2);
  solve_transposed<float>(rf.view(), yf.view());
  EXPECT_LT(max_difference(yf, y), 1e-5);
}

TEST(Cholesky, RefusesWhatIsNotPositiveDefinite) {
  Matrix<double> a = identity(3);
  a(1, 1) = -1;
  EXPECT_FALSE(cholesky(a.view()));
}

}  // namespace
}  // namespace merganser::test
