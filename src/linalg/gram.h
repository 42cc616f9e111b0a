// Products of a matrix with itself and with vectors, in f64 arithmetic whatever the matrix is
// stored in. An f32 matrix is widened a panel at a time, so the memory is that of the result.
#pragma once

#include <cstdint>
#include <span>

#include "linalg/matrix.h"

namespace merganser {

// Which singular vectors of an m x n matrix: left ones have m entries, right ones n.
enum class Side { left, right };

// g += factor * (a^T a) for the right side (n x n), a a^T for the left one (m x m). Only the part
// of g on and above the diagonal is used; mirror() makes it whole.
template <class T>
void add_gram(MatrixView<const T> a, Side side, double factor, MatrixView<double> g);

template <class T>
Matrix<double> gram(MatrixView<const T> a, Side side);

// The images of vectors, the rows of v: of right ones v a^T (k x m), of left ones v a (k x n); row
// i is multiplied by scale[i] where scale is not empty. Rounded once to R.
template <class T, class R>
void images(MatrixView<const T> a, Side side, MatrixView<const double> v,
            std::span<const double> scale, MatrixView<R> out);

}  // namespace merganser
