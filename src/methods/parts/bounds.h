// Elementwise limits. A NaN compares false: it passes a limit, and a limit that is NaN limits
// nothing.
#pragma once

#include <cstddef>

namespace merganser::methods {

// x into [low, high]; high wins where low > high.
template <class T>
void clamp_into(const T* low, const T* high, T* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const T raised = x[i] < low[i] ? low[i] : x[i];
    x[i] = high[i] < raised ? high[i] : raised;
  }
}

// low = min(low, x) and high = max(high, x).
template <class T>
void widen_bounds(const T* x, T* low, T* high, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    low[i] = x[i] < low[i] ? x[i] : low[i];
    high[i] = high[i] < x[i] ? x[i] : high[i];
  }
}

}  // namespace merganser::methods
