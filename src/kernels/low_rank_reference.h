// What add_low_rank() computes, in plain C++: for the ends that vectors leave, and for its test.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/low_rank.h"

namespace merganser::reference {

// Columns [begin, end) of one row; `left` is the row's factor, `out` its column `begin`.
template <class T>
void add_low_rank_row(const LowRankProduct<T>& product, const T* left, std::size_t begin,
                      std::size_t end, T* out) {
  for (std::size_t column = begin; column < end; ++column) {
    T sum = 0;
    for (std::size_t k = 0; k < product.rank; ++k) {
      sum += left[k] * product.right[k * product.columns + column];
    }
    out[column - begin] += product.scale * sum;
  }
}

template <class T>
void add_low_rank(const LowRankProduct<T>& product, std::uint64_t first, T* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t row = (first + i) / product.columns;
    const auto column = static_cast<std::size_t>((first + i) % product.columns);
    add_low_rank_row(product, product.left + row * product.rank, column, column + 1, out + i);
  }
}

}  // namespace merganser::reference
