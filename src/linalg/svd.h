// Singular value decompositions a = U S V^T, thin: only directions that are there.
//
// Arithmetic is f64 whatever the matrix is stored in. For f32 matrices of more than a few hundred
// rows and columns two shortcuts are taken, both with errors far below those of f32:
//  - a low rank is found by low_rank.h, and the factors are decomposed instead;
//  - else the eigenvectors of the Gram matrix are the singular vectors of one side. Its condition
//  is
//    the square of the matrix's, so small singular values would lose their digits; those are
//    decomposed once more by themselves. It takes half the time of LAPACK's decomposition in f32,
//    or less where only the largest values are wanted.
// f64 matrices always go through LAPACK's dgesdd.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "linalg/matrix.h"

namespace merganser {

// a = ut^T diag(s) vt. Row i of ut (k x m) and of vt (k x n) are the i-th singular vectors.
template <class T>
struct Svd {
  Matrix<T> ut;
  std::vector<double> s;  // descending, all positive
  Matrix<T> vt;
  double energy = 0;  // squared Frobenius norm of a: the sum of the squares of all values
  // Values above noise; s may be shorter, by the options. Exact only where `s` is not cut off.
  std::size_t rank() const { return s.size(); }
};

struct SvdOptions {
  std::size_t most = std::numeric_limits<std::size_t>::max();  // triples wanted
  // Root mean square of the rounding errors in an element of the matrix; directions that they alone
  // could have made are left out (low_rank.h). Never less than the rounding of T.
  double element_error = 0;
};

// Throws Error for NaN and infinity. A zero or empty matrix has no triples.
template <class T>
Svd<T> thin_svd(MatrixView<const T> a, const SvdOptions& options = {});

// LAPACK's dgesdd; all min(m, n) triples, zero values included.
Svd<double> lapack_svd(Matrix<double> a);

// Bytes that thin_svd takes at most beside the matrix itself; its result is counted in.
std::uint64_t svd_workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t most,
                            std::uint64_t width);

}  // namespace merganser
