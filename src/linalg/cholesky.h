// Cholesky factors of symmetric positive definite matrices.
#pragma once

#include "linalg/matrix.h"

namespace merganser {

// a = R^T R: R takes the place of the part of `a` on and above the diagonal, which alone is read.
// False, and `a` is lost, where it is not positive definite to rounding.
bool cholesky(MatrixView<double> a);

// b <- R^-T b, R [n, n] above its diagonal, b [n, p].
template <class T>
void solve_transposed(MatrixView<const T> r, MatrixView<T> b);

}  // namespace merganser
