// Softmax regression solved to the end: min over W, b of
//   mean_i cross_entropy(W x_i + b, y_i) + penalty |W|^2,
// convex; by L-BFGS (Nocedal and Wright 2006, algorithm 7.5) with a line search for the strong
// Wolfe conditions (algorithms 3.5 and 3.6), in f64.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "base/progress.h"

namespace merganser::rt {

struct SoftmaxFit {
  at::Tensor weight, bias;  // f64 [C, D], [C]
  double loss = 0;          // with the penalty
  std::int64_t iterations = 0;
  bool converged = false;  // no component of the gradient is above the tolerance
};

struct SoftmaxOptions {
  double penalty = 1e-4;
  double tolerance = 1e-6;
  std::int64_t iterations = 1000;  // at most
};

// x [N, D], y int64 [N] below `classes`. Begins at the weights of `start`, if they are defined,
// else at 0. Throws Error(interrupted).
SoftmaxFit fit_softmax(const at::Tensor& x, const at::Tensor& y, std::int64_t classes,
                       const SoftmaxFit& start, const SoftmaxOptions& options,
                       const Progress& progress);

}  // namespace merganser::rt
