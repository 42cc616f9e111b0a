// How far apart models are at each position. Thread-safe.
#pragma once

#include <cstddef>
#include <span>

namespace merganser {

// The mean square distance of x[0][j], x[1][j]... from their mean, in f64, rounded to T; exactly 0
// where they are equal. At least one x. `out` may be one of x. Returns how many are not 0.
template <class T>
std::size_t variance(std::span<T* const> x, T* out, std::size_t n);

}  // namespace merganser
