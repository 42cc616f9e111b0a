// Real powers of orthogonal matrices: a rotation that goes a part of the way.
#pragma once

#include "linalg/matrix.h"

namespace merganser {

// q^power for an orthogonal q with determinant 1: every plane that q turns by an angle is turned by
// power times that angle, at most half a turn before. In f64, by the real Schur form.
Matrix<double> orthogonal_power(Matrix<double> q, double power);

}  // namespace merganser
