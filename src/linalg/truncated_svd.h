// The k largest singular triples of a matrix, to a wanted nearness to the best approximation of
// rank k, with a bound that says how near.
//
// Block Krylov spaces (krylov.h) where the rank is a small part of a large matrix; where it is not,
// or where the spectrum is so flat that they would not pay, svd.h. What is promised of the error
// holds on all spectra. Of single vectors little can be: where two singular values are close, so is
// any mixture of their vectors to an optimum. So a caller that needs the leading vectors themselves
// says how many, and learns whether a gap behind them defines them.
//
// The same bytes for the same seed, BLAS, kernel and number of BLAS threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "linalg/matrix.h"

namespace merganser {

struct TruncatedOptions {
  std::size_t rank = 0;  // triples wanted; at most min(m, n) are found
  // So many of them (<= rank) are to be exact themselves, wherever the gap behind them is more than
  // a hundredth: lengths |V^T x| within 1e-4 of |x|.
  std::size_t leading = 0;
  double excess = 1e-3;  // wanted: error <= (1 + excess) * best rank-k error; 0: exact
  // Whether the bound itself has to meet `excess`. Where no gap follows the rank (flat spectra,
  // tails), proving it takes many times as long as meeting it; without, an estimate of first order
  // with a margin is enough, and what is proven is still reported.
  bool certify = true;
  double element_error = 0;  // as in SvdOptions
  std::uint64_t seed = 0;
  // No other thread of the process uses BLAS meanwhile, so its threads may be set aside: OpenBLAS's
  // wait by spinning, on the cores that the passes over the matrix have threads of their own on (up
  // to 1.6 times as fast without, on two cores). The last bits may differ.
  bool alone = false;
};

// How it was found: none for a zero matrix, exact by LAPACK, gram by the f64 Gram matrix, factors
// where the matrix has a low rank or is a product.
enum class SvdWay { none, exact, gram, krylov, factors };
std::string_view name_of(SvdWay way);

// a ~ ut^T diag(s) vt. Row i of ut and of vt are the i-th singular vectors.
template <class T>
struct TruncatedSvd {
  Matrix<T> ut;           // k x m; k <= rank, directions that are rounding errors are left out
  std::vector<double> s;  // descending, positive
  Matrix<T> vt;           // k x n
  double energy = 0;      // squared Frobenius norm of a
  double residual = 0;    // |a - a_k|_F / |a|_F, of |a|^2 - sum s^2 in f64; 0 for a zero matrix
  // |a - a_k| <= (1 + excess) |a - best a_k|, up to rounding, except with a probability of 1e-9
  // over the seeds (krylov_bound.h). 0 where the decomposition is exact. Infinity where nothing was
  // proven.
  double excess = 0;
  bool leading_resolved = false;  // the leading space is as exact as asked; false on flat spectra
  double leading_gap = 0;         // (s[leading-1] - s[leading]) / s[leading-1], as found
  SvdWay way = SvdWay::none;
  std::size_t iterations = 0;  // products of the matrix and its transpose with a block
};

// Throws Error for NaN and infinity. A zero or empty matrix has no triples.
template <class T>
TruncatedSvd<T> truncated_svd(MatrixView<const T> a, const TruncatedOptions& options);

// Exact, of b a with b: m x r and a: r x n, through QR of both: O((m + n) r^2).
template <class T>
TruncatedSvd<T> product_svd(MatrixView<const double> b, MatrixView<const double> a,
                            std::size_t rank);

// Bytes that truncated_svd takes at most beside the matrix; its result is counted in.
std::uint64_t truncated_svd_workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t rank,
                                      std::uint64_t width);

}  // namespace merganser
