// Orthonormal bases by Householder reflections, in f64.
#pragma once

#include "linalg/matrix.h"

namespace merganser {

// The rows of `a` become an orthonormal basis of a space that contains them (of the same dimension
// as there are rows, which are at most as many as columns). Returns the lower triangle L with
// a = L q; its diagonal may be negative.
Matrix<double> orthonormalise_rows(MatrixView<double> a);

// The sign of a square matrix's determinant: 1, -1, or 0.
int determinant_sign(Matrix<double> a);

}  // namespace merganser
