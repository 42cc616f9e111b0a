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
// forward takes rows of `inner` entries to rows of `outer` >= inner entries.
template <class T>
class Operator {
 public:
  Operator(MatrixView<const T> a, double norm);
  std::size_t inner() const { return flipped_ ? a_.rows : a_.cols; }
  std::size_t outer() const { return flipped_ ? a_.cols : a_.rows; }
  bool flipped() const { return flipped_; }  // the inner vectors are the left singular ones
  void forward(MatrixView<const T> x, MatrixView<T> y) const;   // y = x a^T / norm
  void backward(MatrixView<const T> y, MatrixView<T> x) const;  // x = y a / norm

 private:
  MatrixView<const T> a_;
  bool flipped_;
  T scale_;
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
  // Rows of x that become new vectors once they are orthonormal to the others, and images of them.
  // x is overwritten. They are made orthogonal to the vectors of `others`, too.
  void add(MatrixView<T> x, const Basis* others = nullptr);
  // x <- x - x Q^T Q, where Q are the vectors.
  void project_out(MatrixView<T> x) const;
  // Unit rows of x are orthogonal to the vectors up to rounding.
  bool orthogonal(MatrixView<const T> x) const;
  MatrixView<const T> vectors() const { return vectors_.view().row_block(0, size_); }
  MatrixView<const T> images() const { return images_.view().row_block(0, size_); }
  MatrixView<const T> last_images(std::size_t count) const {
    return images_.view().row_block(size_ - count, count);
  }
  // Q B Q^T, B = a^T a / norm^2, of the vectors so far. Whole.
  Matrix<double> projected() const;

 private:
  const Operator<T>& a_;
  Matrix<T> vectors_, images_;
  Matrix<double> projected_;
  std::size_t size_ = 0;
};

}  // namespace merganser
