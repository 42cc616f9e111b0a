// A block of vectors times a matrix and back again, in one pass over the matrix.
#pragma once

#include "linalg/gram.h"
#include "linalg/matrix.h"

namespace merganser {

// y = scale x a^T and z = scale y a (side right: x and z are [count, cols], y is [count, rows]), or
// y = scale x a and z = scale y a^T (side left). None overlaps another. The same bytes for the same
// number of threads.
template <class T>
void gram_product(MatrixView<const T> a, Side side, T scale, MatrixView<const T> x, MatrixView<T> y,
                  MatrixView<T> z, unsigned threads);

}  // namespace merganser
