// Finds out whether a matrix has a low rank, and what it is made of.
//
// A difference of models that was trained as an adapter has a rank of 8 to 256; then every
// decomposition of it is cheap. Its product with a few random vectors spans its columns, and what
// the projection on that span leaves of it is known exactly (Halko, Martinsson and Tropp 2011).
#pragma once

#include <cmath>
#include <cstddef>
#include <optional>
#include <type_traits>

#include "linalg/matrix.h"

namespace merganser {

// a = basis^T coordinates up to rounding: basis k x m with orthonormal rows, coordinates k x n. k
// is the rank or somewhat more.
struct LowRank {
  Matrix<double> basis, coordinates;
};

struct LowRankOptions {
  std::size_t limit = 0;  // a higher rank is not looked for
  // What may be left, as the root mean square of an element: the rounding errors of the matrix.
  double element_error = 0;
};

// None if the rank is higher than the limit. A full rank is noticed early, on a part of the matrix:
// at a hundredth of the cost of decomposing it. The random vectors are always the same.
template <class T>
std::optional<LowRank> low_rank_factor(MatrixView<const T> a, const LowRankOptions& options);

// Rounding errors of this size per element make singular values up to this one, so directions with
// less are noise (twice the largest one that random errors make).
double noise_level(double element_error, std::size_t rows, std::size_t cols);

// What an element of a matrix in T has at least, as a root mean square: a product of factors of
// rank 256 in f32 has errors of a few half units. Nothing is assumed of f64.
template <class T>
double rounding_error(double squared_norm, double elements) {
  return std::is_same_v<T, float> ? 0x1p-22 * std::sqrt(squared_norm / elements) : 0;
}

}  // namespace merganser
