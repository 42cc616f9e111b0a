// Principal angles between the leading singular subspaces of two changes.
#pragma once

#include "analyze/figures.h"
#include "analyze/spectrum.h"

namespace merganser {

// Cosines: the singular values of X^T Y with orthonormal columns X, Y of the two subspaces (Björck
// and Golub 1973), descending, as many as the smaller subspace has dimensions. `transposed`: the
// changes are stored [in, out], so that inputs are on the left.
Angles principal_angles(const Leading& a, const Leading& b, bool transposed);

}  // namespace merganser
