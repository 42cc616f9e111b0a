// Products of matrices, by BLAS.
#pragma once

#include <span>

#include "linalg/matrix.h"

namespace merganser {

enum class Transposed : bool { no, yes };

// c = alpha op(a) op(b) + beta c; with beta 0 the old c is not read. c overlaps neither.
template <class T>
void multiply(T alpha, MatrixView<const T> a, Transposed op_a, MatrixView<const T> b,
              Transposed op_b, T beta, MatrixView<T> c);

// out = left^T diag(s) right, left: k x m, right: k x n, out: m x n. `right` is scaled in place.
template <class T>
void compose(MatrixView<const T> left, std::span<const double> s, MatrixView<T> right,
             MatrixView<T> out);

template <class T>
double squared_norm(MatrixView<const T> a);  // Frobenius, in f64

template <class T>
void fill(MatrixView<T> a, T value);

// a becomes symmetric: the part below the diagonal is that above it.
void mirror(MatrixView<double> a);

}  // namespace merganser
