// Random dropping (DARE): the mask of base/random.h's keeps(), bit for bit, many elements at a
// time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/random.h"

namespace merganser {

// Sets to +0 the elements that are not kept; x[j] is element first + j of its tensor. `first` is
// fastest where it is a multiple of 8. In place. Thread-safe.
template <class T>
void drop(T* x, std::size_t n, RandomStream stream, std::uint64_t first, std::uint64_t threshold);

}  // namespace merganser
