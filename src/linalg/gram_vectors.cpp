#include "linalg/gram_vectors.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "linalg/eigen.h"
#include "linalg/multiply.h"

namespace merganser {
namespace {

// Singular values below this part of the largest are not taken from the Gram matrix: their relative
// error there would be 1e-16 n / kResolved^2, about 1e-5.
constexpr double kResolved = 1e-4;

// The vectors of values that the Gram matrix does not resolve span the right space; in it they are
// found from the matrix itself, restricted to that space.
template <class T>
void resolve_small(std::span<const MatrixView<const T>> parts, Side side, Eigen& eigen) {
  const std::size_t count = eigen.vectors.rows();
  const double resolved = eigen.values[0] * kResolved * kResolved;
  std::size_t first = count;
  while (first > 0 && eigen.values[first - 1] < resolved) --first;
  const std::size_t small = count - first;
  if (small == 0) return;
  const MatrixView<double> vectors = eigen.vectors.view().row_block(first, small);
  Matrix<double> squares(small, small);
  fill<double>(squares.view(), 0);
  for (const MatrixView<const T>& part : parts) {
    Matrix<double> restricted(small, side == Side::right ? part.rows : part.cols);
    images<T, double>(part, side, vectors, {}, restricted.view());
    add_gram<double>(restricted.view(), Side::left, 1, squares.view());
  }
  const Eigen again = symmetric_eigen(std::move(squares));
  Matrix<double> turned(small, vectors.cols);
  multiply<double>(1, again.vectors.view(), Transposed::no, vectors, Transposed::no, 0,
                   turned.view());
  std::copy_n(turned.data(), small * vectors.cols, vectors.data);
  std::copy(again.values.begin(), again.values.end(),
            eigen.values.begin() + static_cast<std::ptrdiff_t>(first));
}

}  // namespace

std::vector<double> GramVectors::inverses() const {
  std::vector<double> inverses;
  for (const double value : s) inverses.push_back(1 / value);
  return inverses;
}

template <class T>
GramVectors gram_vectors(std::span<const MatrixView<const T>> parts, Side side, std::size_t most,
                         double least) {
  assert(parts.size() == 1 || side == Side::left);
  const std::size_t size = side == Side::right ? parts[0].cols : parts[0].rows;
  Matrix<double> squares(size, size);
  fill<double>(squares.view(), 0);
  for (const MatrixView<const T>& part : parts) add_gram<T>(part, side, 1, squares.view());
  Eigen eigen = symmetric_eigen(std::move(squares), {most, least * least});
  GramVectors found;
  if (eigen.vectors.rows() > 0) resolve_small<T>(parts, side, eigen);
  for (std::size_t i = 0; i < eigen.vectors.rows(); ++i) {
    const double value = std::sqrt(std::max(0.0, eigen.values[i]));
    if (!(value > least)) break;
    found.s.push_back(value);
  }
  eigen.vectors.keep_rows(found.s.size());
  found.vectors = std::move(eigen.vectors);
  return found;
}

template GramVectors gram_vectors(std::span<const MatrixView<const float>>, Side, std::size_t,
                                  double);
template GramVectors gram_vectors(std::span<const MatrixView<const double>>, Side, std::size_t,
                                  double);

}  // namespace merganser
