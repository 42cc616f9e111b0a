// Singular vectors of several matrices one below the other, made orthogonal together: how TSV-M and
// Iso-CTS keep the directions of different tasks apart.
#pragma once

#include <span>
#include <vector>

#include "linalg/matrix.h"
#include "linalg/svd.h"

namespace merganser::methods {

template <class T>
class StackedVectors {
 public:
  // Room for `most` triples of rows x cols matrices.
  StackedVectors(std::size_t rows, std::size_t cols, std::size_t most);

  // The first `count` triples.
  void add(const Svd<T>& svd, std::size_t count);

  // Both sides become the nearest matrices with orthonormal rows (their polar factors). Where the
  // stack has more vectors than dimensions, with orthonormal columns.
  void orthogonalise();

  std::span<const double> values() const { return values_; }
  MatrixView<T> left() { return left_.view().row_block(0, values_.size()); }    // k x rows
  MatrixView<T> right() { return right_.view().row_block(0, values_.size()); }  // k x cols

 private:
  Matrix<T> left_, right_;
  std::vector<double> values_;
};

}  // namespace merganser::methods
