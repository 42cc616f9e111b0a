// Rows of weights as distributions. Thread-safe.
#pragma once

#include <cstddef>

namespace merganser {

// KL divergence of p = softmax(x) + least from q = softmax(y) + least: sum of p ln(p / q), in f64
// in the 16 lanes of reduce.h, by an exp and a log of basic operations, so the same bits
// everywhere. NaN where a span holds NaN or infinity; 0 for n = 0. Errors are of the order of
// 1e-16, absolute.
template <class T>
double softmax_divergence(const T* x, const T* y, std::size_t n, double least);

}  // namespace merganser
