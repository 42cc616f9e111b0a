// A product of two narrow matrices, added to a matrix that is read in pieces. T is float or double;
// every operation rounds on its own and sums run in the order of k, so a piece has the same bits
// however the matrix is cut, and on every machine. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace merganser {

// scale * left right, of shape [rows, columns].
template <class T>
struct LowRankProduct {
  const T* left = nullptr;   // [rows, rank], by rows
  const T* right = nullptr;  // [rank, columns], by rows
  std::size_t rank = 0, columns = 0;
  T scale = 1;
};

// For the elements [first, first + n) of the matrix, stored by rows:
//   out[i] = out[i] + scale * (((0 + left[row, 0] right[0, col]) + left[row, 1] right[1, col]) + …)
template <class T>
void add_low_rank(const LowRankProduct<T>& product, std::uint64_t first, T* out, std::size_t n);

}  // namespace merganser
