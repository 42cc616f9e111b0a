// How much a Krylov space can have missed: upper bounds on the sum of the k largest eigenvalues of
// B = a^T a, known on a space Q. Used by truncated_svd.h only.
//
// In a basis that begins with Q, B is [T R^T; R C]. Two steps:
//
// 1. For any tau > c >= max eigenvalue of C, completing the square (a Schur complement) gives
//        B <= [T + R^T R / (tau - c), 0; 0, tau]
//    in the order of symmetric matrices, since the difference is [R^T S R, -R^T; -R, S^-1] >= 0
//    with S^-1 = tau - C, S <= 1 / (tau - c). Eigenvalues are monotone (Weyl), so the sum of the k
//    largest of the right side, each counted as tau if it is less, bounds that of B. Where a gap
//    separates wanted values from the rest, its error is of second order in the residuals R.
//
// 2. c comes from Krylov space of C with a start of its own, s random vectors that know nothing of
//    Q. Let v be the eigenvector of C's largest eigenvalue c, U the orthonormalised start, d the
//    dimension of the complement. |U v|^2 has the distribution Beta(s/2, (d-s)/2), so it is at
//    least x but for a probability of x^(s/2) / (s/2 B(s/2, (d-s)/2)). For every polynomial p
//        p(c)^2 |U v|^2 <= |U p(C)^2 U^T|,
//    and the right side is known on the Krylov space if its degree is below the space's. Chebyshev
//    polynomials of any interval [0, h] may be tried: what is uncertain is |U v| alone.
//    (Compare Kuczynski and Wozniakowski 1992, for one vector.)
//
// No bound that is useful on spectra with a tail can do without the probability: a direction that
// is orthogonal to all that was multiplied is invisible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "linalg/krylov.h"

namespace merganser {

constexpr double kBoundFailure = 1e-9;

// Step 1. theta: eigenvalues of T, descending, at least k; coupling: R^T R in the basis of their
// vectors; least: c. Looks no further for the best tau once the bound is below `enough`.
double bound_top_sum(std::span<const double> theta, MatrixView<const double> coupling,
                     std::size_t k, double least, double enough);

// Step 2. The basis is that of Q and stays as it is meanwhile.
template <class T>
class ComplementBound {
 public:
  ComplementBound(const Operator<T>& a, const Basis<T>& basis, std::uint64_t seed,
                  std::uint64_t stream);
  // One more block; false if there is no room for it.
  bool step();
  // At least the largest eigenvalue of C, infinity before two steps.
  double value() const { return value_; }

 private:
  void update();

  const Operator<T>& a_;
  const Basis<T>& basis_;
  std::size_t width_;
  double overlap_;  // |U v| is at least this
  Basis<T> own_;
  Matrix<T> next_;
  double value_ = std::numeric_limits<double>::infinity();
};

}  // namespace merganser
