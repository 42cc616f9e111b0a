// Trim, elect sign, merge (TIES) of arrays that are in memory: coordinates of task vectors in some
// basis. parts/task_vectors.h is the streamed one, for whole tensors.
#pragma once

#include <cstddef>
#include <span>

namespace merganser::methods {

// Keeps the largest magnitudes: kept_elements(density, n) of them (parts/magnitude_selection.h), at
// equal magnitudes the first.
template <class T>
void trim_to_density(T* x, std::size_t n, double density);

// x[i] is trimmed to density[i], in place; out: at each place the mean of the entries that have the
// sign of their sum. `out` may be x[0].
template <class T>
void merge_dense_ties(std::span<T* const> x, std::span<const double> density, T* out,
                      std::size_t n);

}  // namespace merganser::methods
