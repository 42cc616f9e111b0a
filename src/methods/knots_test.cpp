#include <gtest/gtest.h>

#include "methods/parts/spectral_testing.h"

namespace merganser::test {
namespace {

template <class T>
class Knots : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Knots, Types);

// Trim, elect, mean of the agreeing.
Dense ties(std::vector<Dense> x, double density) {
  for (Dense& one : x) {
    const auto kept = largest_share(one.data, density);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (!kept[i]) one.data[i] = 0;
    }
  }
  Dense out(x[0].rows, x[0].cols);
  for (std::size_t i = 0; i < out.data.size(); ++i) {
    Exact sum = 0, agreed = 0;
    int count = 0;
    for (const Dense& one : x) sum += one.data[i];
    for (const Dense& one : x) {
      if (one.data[i] == 0 || (one.data[i] > 0) != (sum >= 0)) continue;
      agreed += one.data[i];
      ++count;
    }
    out.data[i] = count > 0 ? agreed / count : 0;
  }
  return out;
}

TYPED_TEST(Knots, EqualsReference) {
  using T = TypeParam;
  for (const auto& [m, n, rank] :
       {std::tuple{8, 8, 0}, std::tuple{5, 9, 0}, std::tuple{30, 6, 0}, std::tuple{14, 12, 1}}) {
    for (const double density : {0.3, 1.0}) {
      auto settings = matrix_settings("knots", 3);
      for (auto& table : settings.per_input) table["density"] = density;
      const auto one = matrix_case<T>(static_cast<std::size_t>(m), static_cast<std::size_t>(n), 3,
                                      static_cast<std::size_t>(rank), settings);
      const auto d = one.deltas();
      const DenseSvd svd = jacobi_svd(beside(beside(d[0], d[1]), d[2]));
      std::vector<Dense> right;
      for (std::size_t i = 0; i < 3; ++i) {
        Dense part(svd.s.size(), d[0].cols);
        for (std::size_t r = 0; r < part.rows; ++r) {
          for (std::size_t c = 0; c < part.cols; ++c) part(r, c) = svd.vt(r, i * part.cols + c);
        }
        right.push_back(std::move(part));
      }
      expect_difference(merge_one<T>("knots", one.made), one.made.base,
                        svd.u * diagonal(svd.s) * ties(right, density));
    }
  }
}

TYPED_TEST(Knots, AddingUpNeedsNoBasis) {
  using T = TypeParam;
  for (const auto& [m, n, rank] :
       {std::tuple{8, 8, 0}, std::tuple{30, 6, 0}, std::tuple{14, 12, 1}}) {
    const auto one = matrix_case<T>(
        static_cast<std::size_t>(m), static_cast<std::size_t>(n), 3, static_cast<std::size_t>(rank),
        matrix_settings("knots", 3, {{"merge", "task_arithmetic"}, {"lambda", 0.4}}));
    const auto d = one.deltas();
    expect_difference(merge_one<T>("knots", one.made), one.made.base, 0.4L * (d[0] + d[1] + d[2]));
  }
}

TYPED_TEST(Knots, KeepsWhatMatrixMethodsPromise) {
  check_matrix_method<TypeParam>("knots", true);
  check_matrix_method<TypeParam>("knots", true, {{"merge", "task_arithmetic"}});
}

}  // namespace
}  // namespace merganser::test
