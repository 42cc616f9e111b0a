// The median of several spans, element by element. Thread-safe.
#pragma once

#include <cstddef>
#include <span>

namespace merganser {

// out[i] = the middle one of x[0][i], x[1][i] ...: of an odd number of them. They are ordered as
// IEEE's totalOrder has it, so that the result is the same on every machine: -0 lies below +0, and
// NaN outside the infinities, on the side of its sign. `out` must not overlap one of x.
template <class T>
void median(std::span<const T* const> x, T* out, std::size_t n);

}  // namespace merganser
