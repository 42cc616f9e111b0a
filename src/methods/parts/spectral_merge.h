// The two ways of merging task matrices by their singular vectors, in the full space of a matrix or
// in a smaller one that holds them (core_space).
#pragma once

#include <cstddef>
#include <vector>

#include "methods/parts/matrix_merge.h"

namespace merganser::methods {

struct IsotropicSum {
  std::size_t rank = 0;
  // Over min(m, n) values: those of directions that are not there are zeros.
  double mean_value = 0;
  double largest_value = 0;
};

// Iso-C: sum_i d_i = U S V^T; out = mean(S) U V^T. Directions that the sum does not have (singular
// values of 0 up to rounding) stay out of it.
template <class T>
IsotropicSum merge_isotropic(MatrixDeltas<T>& in, MatrixView<T> out);

struct TaskDirections {
  std::vector<double> ranks;   // kept of each task
  std::vector<double> energy;  // share of the task vector's squared norm in them
};

// TSV-M: the `most` strongest directions of each task, orthogonalised over all tasks on both sides.
template <class T>
TaskDirections merge_task_directions(MatrixDeltas<T>& in, std::size_t most, MatrixView<T> out);

// min(m, n) / T of TSV-M, but at least 1: a matrix of fewer directions than there are tasks would
// lose them all.
std::size_t directions_of_task(std::size_t full_rank, std::size_t tasks);

// out = value ut^T vt
template <class T>
void compose_isotropic(MatrixView<const T> ut, MatrixView<const T> vt, double value,
                       MatrixView<T> out);

double mean_value(std::span<const double> s, std::size_t full_rank);

}  // namespace merganser::methods
