// Filters over all axes of a whole tensor, as scipy.ndimage has them in its mode "reflect": past an
// end the tensor is continued by its mirror image, the last element first.
#pragma once

#include <cstdint>

#include "base/tensor_info.h"

namespace merganser::methods {

// Each element becomes the median of itself and its neighbours, 3 along each axis. `in` and `out`
// must not overlap.
template <class T>
void median_filter(const Shape& shape, const T* in, T* out);
// Bytes that it takes at most.
std::uint64_t median_filter_bytes(const Shape& shape, std::size_t element_bytes);

// A Gaussian of deviation 1, cut at 4, along one axis after the other. In place; `scratch` holds as
// many elements.
template <class T>
void gaussian_filter(const Shape& shape, T* values, T* scratch);

}  // namespace merganser::methods
