#include "linalg/joint_svd.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "linalg/gram_vectors.h"
#include "linalg/low_rank.h"
#include "linalg/multiply.h"
#include "linalg/qr.h"

namespace merganser {
namespace {

// a_i = basis^T rows_i, with orthonormal rows of the basis, fewer than those of a_i.
struct Reduced {
  Matrix<double> basis;
  std::vector<Matrix<double>> rows;
};

template <class T>
bool reduce(std::span<const MatrixView<T>> a, double element_error, Reduced& reduced) {
  const std::size_t m = a[0].rows, n = a[0].cols;
  const bool tall = a.size() * n < m;
  const std::size_t limit = tall ? n : std::min(m, n) / 4;
  std::vector<LowRank> factors;
  std::size_t rank = 0;
  for (const MatrixView<T>& matrix : a) {
    auto found = low_rank_factor<T>(matrix, {limit, element_error});
    if (!found) return false;
    rank += found->basis.rows();
    // Half of the rows: a Gram matrix of an eighth of the cost.
    if (rank >= m || (!tall && 2 * rank > m)) return false;
    factors.push_back(std::move(*found));
  }
  reduced.basis = Matrix<double>(rank, m);
  std::size_t first = 0;
  for (const LowRank& factor : factors) {
    std::copy_n(factor.basis.data(), factor.basis.rows() * m, reduced.basis.row(first));
    first += factor.basis.rows();
  }
  const Matrix<double> lower = orthonormalise_rows(reduced.basis.view());
  first = 0;
  for (LowRank& factor : factors) {
    const std::size_t own = factor.basis.rows();
    Matrix<double> rows(rank, n);
    multiply<double>(1, lower.view().row_block(first, own), Transposed::yes,
                     factor.coordinates.view(), Transposed::no, 0, rows.view());
    reduced.rows.push_back(std::move(rows));
    factor.coordinates = {};
    first += own;
  }
  return true;
}

template <class T>
Matrix<T> rounded(const Matrix<double>& a) {
  Matrix<T> b(a.rows(), a.cols());
  std::copy_n(a.data(), a.rows() * a.cols(), b.data());
  return b;
}

// vt_i = diag(1/s) u parts_i
template <class T, class R>
void right_vectors(std::span<const MatrixView<const R>> parts, const GramVectors& left,
                   std::span<const MatrixView<T>> a, JointSvd<T>& svd) {
  const std::vector<double> inverses = left.inverses();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    svd.vt.push_back(a[i].row_block(0, left.s.size()));
    images<R, T>(parts[i], Side::left, left.vectors.view(), inverses, svd.vt.back());
  }
}

}  // namespace

template <class T>
JointSvd<T> joint_svd(std::span<const MatrixView<T>> a, double element_error) {
  double energy = 0;
  for (const MatrixView<T>& matrix : a) energy += squared_norm<T>(matrix);
  if (!std::isfinite(energy)) {
    throw Error(ErrorKind::unsupported, "a matrix with NaN or infinity cannot be decomposed");
  }
  JointSvd<T> svd;
  const std::size_t m = a[0].rows, n = a[0].cols, all = a.size() * n;
  const double elements = static_cast<double>(m) * static_cast<double>(all);
  if (energy == 0) {
    for (const MatrixView<T>& matrix : a) svd.vt.push_back(matrix.row_block(0, 0));
    svd.ut = Matrix<T>(0, m);
    return svd;
  }
  element_error = std::max(element_error, rounding_error<T>(energy, elements));
  // f64 matrices have no errors to speak of, but their Gram matrix does.
  const double least = std::max(noise_level(element_error, m, all), 1e-11 * std::sqrt(energy));
  const std::size_t most = std::numeric_limits<std::size_t>::max();
  Reduced reduced;
  if (reduce<T>(a, element_error, reduced)) {
    std::vector<MatrixView<const double>> parts;
    for (const Matrix<double>& rows : reduced.rows) parts.push_back(rows.view());
    const GramVectors left = gram_vectors<double>(parts, Side::left, most, least);
    right_vectors<T, double>(parts, left, a, svd);
    Matrix<double> ut(left.s.size(), m);
    multiply<double>(1, left.vectors.view(), Transposed::no, reduced.basis.view(), Transposed::no,
                     0, ut.view());
    svd.ut = rounded<T>(ut);
    svd.s = left.s;
  } else {
    const std::vector<MatrixView<const T>> parts(a.begin(), a.end());
    GramVectors left = gram_vectors<T>(parts, Side::left, most, least);
    right_vectors<T, T>(parts, left, a, svd);
    svd.ut = rounded<T>(left.vectors);
    svd.s = std::move(left.s);
  }
  return svd;
}

std::uint64_t joint_svd_workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t matrices,
                                  std::uint64_t width) {
  // Reduced matrices have at most half of the rows, or cols * matrices of them. Else: the Gram
  // matrix, its vectors, the work of their computation; a panel and its image; the result.
  const std::uint64_t less = std::max(rows / 2, std::min(rows, cols * matrices));
  const std::uint64_t reduced =
      cols * matrices < rows ? 2 * less * (rows + matrices * cols) + 3 * less * less : 0;
  const std::uint64_t direct = 3 * rows * rows + 1024 * rows;
  return sizeof(double) * std::max(reduced, direct) + width * rows * rows;
}

template JointSvd<float> joint_svd(std::span<const MatrixView<float>>, double);
template JointSvd<double> joint_svd(std::span<const MatrixView<double>>, double);

}  // namespace merganser
