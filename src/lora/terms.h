// A module's change P (m x n) as a sum of rank-one terms, and how many of them are worth keeping.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "linalg/matrix.h"
#include "linalg/rank_budget.h"  // IWYU pragma: export

namespace merganser {

// P = sum over j of s_j left_j right_j^T. With s empty the terms are not singular: every s_j is 1,
// the vectors have any length, and none of the terms can be left out.
struct Terms {
  Matrix<double> left, right;  // k x m, k x n
  std::vector<double> s;       // singular values, descending, all positive
  double energy = 0;           // |P|^2, squared Frobenius norm; of singular terms only
};

// How many singular terms a module keeps: the fewest that hold `energy` of |P|^2, but no more than
// `most`, and none with a singular value of `sv_epsilon` or less (where that is above 0).
struct RankRule {
  std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  double sv_epsilon = 0;
  double energy = 1;  // in (0, 1]
};

std::size_t choose_rank(std::span<const double> s, double energy, const RankRule& rule);

// |P - kept terms| / |P|, of singular terms: sqrt of what the kept values lack of the energy. 0 for
// P = 0.
double residual(std::span<const double> s, std::size_t rank, double energy);

// Singular terms of left^T right (k x m, k x n), through the QR decompositions of both factors and
// the singular values of a k x k matrix; P itself is not formed unless k exceeds its sides. Values
// of at most `resolution` times the largest are left out: what the factors are stored in cannot
// hold them. Throws Error for NaN and infinity.
Terms singular_terms(Matrix<double> left, Matrix<double> right, double resolution);

}  // namespace merganser
