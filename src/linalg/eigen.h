// Eigenvalues and vectors of symmetric matrices, in f64.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "linalg/matrix.h"

namespace merganser {

struct Eigen {
  std::vector<double> values;  // all, descending
  Matrix<double> vectors;      // row i belongs to values[i]; only the wanted ones
};

// Which vectors are computed: those of the `most` largest values, as far as they are above `above`.
struct EigenRange {
  std::size_t most = std::numeric_limits<std::size_t>::max();
  double above = -std::numeric_limits<double>::infinity();
};

// Of `a` only the part on and above the diagonal is read. It takes twice the memory of `a` besides.
// Throws Error for numbers that are not finite.
Eigen symmetric_eigen(Matrix<double> a, EigenRange range = {});

// The `count` largest values alone, with their vectors: the faster the fewer, and less exact in
// their orthogonality (1e-13 n) than symmetric_eigen. None if LAPACK does not find them.
std::optional<Eigen> largest_eigen(Matrix<double> a, std::size_t count);

// All values, and the vectors of as many of the largest as `choose` wants once it has seen them.
using ChooseCount = std::function<std::size_t(std::span<const double> values)>;
Eigen leading_eigen(Matrix<double> a, const ChooseCount& choose);

std::vector<double> symmetric_eigenvalues(Matrix<double> a);  // descending

// f(a) = sum_i f(values[i]) v_i v_i^T, of a decomposition with all its vectors.
Matrix<double> function_of(const Eigen& eigen, double (*f)(double value, double parameter),
                           double parameter);

}  // namespace merganser
