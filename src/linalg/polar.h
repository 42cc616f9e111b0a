// The nearest matrix with orthonormal rows or columns.
#pragma once

#include <cstddef>

#include "linalg/matrix.h"

namespace merganser {

// a = U S V^T becomes U V^T, in place. What a does not span stays out: a direction whose singular
// value is zero (up to rounding) contributes nothing, so of rank r the result has r singular values
// 1 and else zeros. Returns r.
template <class T>
std::size_t make_polar_factor(MatrixView<T> a);

}  // namespace merganser
