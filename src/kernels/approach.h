// Steps of limited length from one span to another. Thread-safe.
#pragma once

#include <cstddef>

namespace merganser {

// s = min(1, step / max(|from - to|, least));  out = s * to + (1 - s) * from, every operation
// rounded. `out` may be one of the spans. step and least are above 0.
template <class T>
void approach(const T* from, const T* to, T step, T least, T* out, std::size_t n);

}  // namespace merganser
