// Changes by how many models make them: a model takes part at a position where its change exceeds
// epsilon in magnitude (a NaN never does). Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace merganser {

// d[i][j]: model i's change at position j (models x n).
//   one model takes part:  out[j] = boost[i] * d[i][j]
//   several do:            out[j] = sum of theirs, left to right / how many
//   none does:             out[j] = +0
// `out` may be one of d. At most 2^24 models.
template <class T>
void merge_overlapping(std::span<T* const> d, std::span<const T> boost, T epsilon, T* out,
                       std::size_t n);

struct Overlap {
  std::uint64_t alone = 0, shared = 0;
};

// Adds, for each model, the positions where it takes part alone, and where others do, too.
template <class T>
void count_overlap(std::span<T* const> d, T epsilon, std::span<Overlap> counts, std::size_t n);

}  // namespace merganser
