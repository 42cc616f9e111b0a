// Singular values and the vectors of one side, from the eigenvectors of a Gram matrix: the core of
// svd.h and joint_svd.h, and used by them only.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "linalg/gram.h"
#include "linalg/matrix.h"

namespace merganser {

struct GramVectors {
  std::vector<double> s;   // descending, all above `least`
  Matrix<double> vectors;  // row i belongs to s[i]
  std::vector<double> inverses() const;
};

// Of [parts[0] parts[1] ..], side by side; the right side only of a single part. At most `most`
// values, all above `least`. Small values are as exact as large ones (svd.h).
template <class T>
GramVectors gram_vectors(std::span<const MatrixView<const T>> parts, Side side, std::size_t most,
                         double least);

}  // namespace merganser
