// Block Krylov spaces of a^T a with full reorthogonalisation: their best approximations of singular
// triples. Used by truncated_svd.h only.
//
// Musco and Musco, "Randomized block Krylov methods for stronger and faster approximate singular
// value decomposition" (2015). Products and bases are in the type of the matrix; the small problem
// is in f64, its elements summed in f64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "linalg/eigen.h"
#include "linalg/matrix.h"

namespace merganser {

// a scaled to Frobenius norm 1, so that no product over- or underflows, seen from its shorter side:
// it takes rows of `inner` entries to rows of `outer` >= inner entries.
template <class T>
class Operator {
 public:
  Operator(MatrixView<const T> a, double norm);
  std::size_t inner() const { return flipped_ ? a_.rows : a_.cols; }
  std::size_t outer() const { return flipped_ ? a_.cols : a_.rows; }
  unsigned threads() const { return threads_; }
  bool flipped() const { return flipped_; }  // the inner vectors are the left singular ones
  // y = x a^T / norm, z = y a / norm.
  void apply(MatrixView<const T> x, MatrixView<T> y, MatrixView<T> z) const;

 private:
  MatrixView<const T> a_;
  bool flipped_;
  T scale_;
  unsigned threads_;
};

// Independent normal numbers; a function of seed and stream alone.
template <class T>
void fill_normal(MatrixView<T> x, std::uint64_t seed, std::uint64_t stream);

// An orthonormal basis that grows by blocks, and its image.
template <class T>
class Basis {
 public:
  Basis(const Operator<T>& a, std::size_t most);
  std::size_t size() const { return size_; }
  std::size_t room() const { return vectors_.rows() - size_; }
  // Rows of x become new vectors, made orthonormal to those here and to those of `others`. x is
  // overwritten with their images under B = a^T a / norm^2.
  void add(MatrixView<T> x, const Basis* others = nullptr);
  // x <- x - x Q^T Q, where Q are the vectors, once: add() does it again where that was not enough.
  void project_out(MatrixView<T> x) const;
  // Unit rows of x are orthogonal to the vectors up to rounding.
  bool orthogonal(MatrixView<const T> x) const;
  MatrixView<const T> vectors() const { return vectors_.view().row_block(0, size_); }
  MatrixView<const T> images() const { return images_.view().row_block(0, size_); }
  // Q B Q^T of the vectors so far. Whole.
  Matrix<double> projected() const;

 private:
  const Operator<T>& a_;
  Matrix<T> vectors_, images_;
  Matrix<double> projected_;
  std::size_t size_ = 0;
};

}  // namespace merganser
