// The barrier between two models, from what was measured along a path.
#pragma once

#include <span>

namespace merganser::rt {

// How high a measure rises between its ends, and where. Below 0 where all of the way is lower;
// a barrier is commonly reported as at least 0.
struct Peak {
  double height = 0, lambda = 0;
};

struct Barriers {
  // max L(lambda) - (L(0) + L(1)) / 2 (Frankle et al. 2020, arXiv 1912.05671).
  Peak above_mean;
  // max of L(lambda) - ((1 - lambda) L(0) + lambda L(1)) (Entezari et al. 2021, arXiv 2110.06296).
  Peak above_line;
};

// Over the points strictly between the ends, which are the first and the last; three at least, the
// lambdas ascending from 0 to 1. The first of equal heights counts.
Barriers barriers_of(std::span<const double> lambdas, std::span<const double> values);

// The lambda of the smallest value, ends included; the first of equal ones.
double best_of(std::span<const double> lambdas, std::span<const double> values);

}  // namespace merganser::rt
