#include "analyze/angles.h"

#include <algorithm>
#include <utility>

#include "linalg/multiply.h"
#include "linalg/svd.h"

namespace merganser {
namespace {

std::vector<double> cosines(const Matrix<double>& x, const Matrix<double>& y) {
  Matrix<double> product(x.rows(), y.rows());
  if (product.empty()) return {};
  multiply<double>(1, x.view(), Transposed::no, y.view(), Transposed::yes, 0, product.view());
  std::vector<double> values = lapack_svd(std::move(product)).s;
  for (double& value : values) value = std::clamp(value, 0.0, 1.0);
  return values;
}

}  // namespace

Angles principal_angles(const Leading& a, const Leading& b, bool transposed) {
  Angles angles{cosines(a.right, b.right), cosines(a.left, b.left)};
  if (transposed) std::swap(angles.input, angles.output);
  return angles;
}

}  // namespace merganser
