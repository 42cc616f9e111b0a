#include "analyze/zones.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "kernels/blend.h"
#include "linalg/cholesky.h"
#include "linalg/eigen.h"
#include "linalg/gram.h"
#include "linalg/multiply.h"
#include "linalg/narrowed.h"
#include "linalg/qr.h"
#include "linalg/svd.h"

namespace merganser {
namespace {

// Up to this size of the smaller side LAPACK decomposes the base itself.
constexpr std::size_t kSmall = 256;
// Eigenvalues of W_0^T W_0 below this part of the largest: R^-T would lose its digits.
constexpr double kSingular = 1e-9;

// The fewest of the values that sum to `share` of the sum of all.
std::size_t leading_count(std::span<const double> s, double share) {
  double total = 0, held = 0;
  for (const double value : s) total += value;
  if (!(total > 0)) return 0;
  for (std::size_t k = 0; k < s.size(); ++k) {
    held += s[k];
    if (held >= share * total) return k + 1;
  }
  return s.size();
}

template <class T>
Matrix<double> widened(MatrixView<const T> a, bool transposed) {
  Matrix<double> out(transposed ? a.cols : a.rows, transposed ? a.rows : a.cols);
  for (std::size_t r = 0; r < a.rows; ++r) {
    for (std::size_t c = 0; c < a.cols; ++c) {
      (transposed ? out(c, r) : out(r, c)) = static_cast<double>(a(r, c));
    }
  }
  return out;
}

template <class T>
Matrix<T> product(MatrixView<const T> a, Transposed op_a, MatrixView<const T> b, Transposed op_b) {
  Matrix<T> c(op_a == Transposed::yes ? a.cols : a.rows, op_b == Transposed::yes ? b.rows : b.cols);
  multiply<T>(1, a, op_a, b, op_b, 0, c.view());
  return c;
}

Transposed op(bool transposed) { return transposed ? Transposed::yes : Transposed::no; }

}  // namespace

template <class T>
BaseZones<T>::BaseZones(MatrixView<const T> base, double share)
    : base_(base), flipped_(base.cols > base.rows) {
  const double squared = squared_norm<T>(base);
  if (!std::isfinite(squared)) {
    throw Error(ErrorKind::unsupported, "a matrix with NaN or infinity cannot be decomposed");
  }
  if (squared == 0) return;
  if (std::min(base.rows, base.cols) <= kSmall) {
    decompose_small(share);
  } else {
    decompose_large(share);
  }
}

template <class T>
void BaseZones<T>::decompose_small(double share) {
  Svd<double> svd = lapack_svd(widened<T>(base_, flipped_));
  k_ = leading_count(svd.s, share);
  if (base_.rows != base_.cols) basis_ = narrowed<T>(widened<double>(svd.ut.view(), false));
  svd.ut.keep_rows(k_);
  svd.vt.keep_rows(k_);
  u_ = narrowed<T>(std::move(svd.ut));
  v_ = narrowed<T>(std::move(svd.vt));
}

template <class T>
void BaseZones<T>::decompose_large(double share) {
  Matrix<double> squares = gram<T>(base_, flipped_ ? Side::left : Side::right);
  const std::size_t n = squares.rows();
  Matrix<double> copy;
  if (base_.rows != base_.cols) {
    copy = Matrix<double>(n, n);
    std::copy_n(squares.data(), n * n, copy.data());
  }
  std::vector<double> s;
  Eigen eigen = leading_eigen(std::move(squares), [&](std::span<const double> values) {
    for (const double value : values) s.push_back(std::sqrt(std::max(0.0, value)));
    return leading_count(s, share);
  });
  k_ = eigen.vectors.rows();
  v_ = narrowed<T>(std::move(eigen.vectors));
  u_ = product<T>(std::as_const(v_).view(), Transposed::no, base_, op(!flipped_));
  for (std::size_t i = 0; i < k_; ++i) {
    scale<T>(static_cast<T>(1 / s[i]), u_.row(i), u_.row(i), u_.cols());
  }
  if (base_.rows == base_.cols) return;
  const double least = eigen.values.back();
  if (least > kSingular * eigen.values.front() && cholesky(copy.view())) {
    factor_ = narrowed<T>(std::move(copy));
    return;
  }
  Matrix<double> columns = widened<T>(base_, !flipped_);
  orthonormalise_rows(columns.view());
  basis_ = narrowed<T>(std::move(columns));
}

template <class T>
Zones BaseZones<T>::of(MatrixView<const T> change, double squared) const {
  const Matrix<T> left = product<T>(u_.view(), Transposed::no, change, op(flipped_));
  const double outputs = squared_norm<T>(left.view());
  const Matrix<T> inner = product<T>(left.view(), Transposed::no, v_.view(), Transposed::yes);
  const double both = squared_norm<T>(inner.view());
  const Matrix<T> right = product<T>(v_.view(), Transposed::no, change, op(!flipped_));
  const double inputs = squared_norm<T>(right.view());
  Zones zones;
  zones.k = k_;
  zones.one = both / squared;
  zones.two_three = std::max(0.0, (squared - outputs - inputs + both) / squared);
  zones.two = zones.two_three;
  if (base_.rows != base_.cols) {
    const InColumns part = in_columns(change);
    zones.two = std::max(0.0, (part.all - part.leading - outputs + both) / squared);
  }
  return zones;
}

template <class T>
typename BaseZones<T>::InColumns BaseZones<T>::in_columns(MatrixView<const T> change) const {
  Matrix<T> inside;
  if (!factor_.empty()) {
    inside = product<T>(base_, op(!flipped_), change, op(flipped_));
    solve_transposed<T>(factor_.view(), inside.view());
  } else {
    inside = product<T>(basis_.view(), Transposed::no, change, op(flipped_));
  }
  const Matrix<T> leading =
      product<T>(std::as_const(inside).view(), Transposed::no, v_.view(), Transposed::yes);
  return {squared_norm<T>(std::as_const(inside).view()), squared_norm<T>(leading.view())};
}

ZonesMemory zones_memory(std::uint64_t rows, std::uint64_t cols, std::uint64_t width,
                         double share) {
  const std::uint64_t n = std::min(rows, cols), m = std::max(rows, cols);
  // Values descend, so that a share of them sums to no less than that share.
  const auto k = std::min(n, static_cast<std::uint64_t>(share * static_cast<double>(n)) + 1);
  ZonesMemory memory;
  memory.kept = width * (k * (m + n) + (rows == cols ? 0 : n * n));
  memory.applying = width * (k * (m + 2 * n + k) + n * n);
  if (n <= kSmall) {
    // The columns' basis has [n, m]; dgesdd's copies, results and work.
    memory.kept += width * n * m;
    memory.making = sizeof(double) * (3 * m * n + 10 * n * n) + memory.kept;
  } else {
    // Two Gram matrices, of which the eigenvectors take the place of one. A base that is nearly of
    // low rank takes its Q in f64 instead, which is rare and not counted.
    memory.making = sizeof(double) * (2 * n * n + k * n) + memory.kept;
  }
  return memory;
}

template class BaseZones<float>;
template class BaseZones<double>;

}  // namespace merganser
