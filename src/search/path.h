// Ways through the space of weights: a line, an arc, a plane. Every point on them is a combination
// of the models at the ends, so a way is no more than coefficients.
#pragma once

#include <array>
#include <vector>

namespace merganser::rt {

// A factor for each model; the sum of the models times these is the point.
using Coefficients = std::vector<double>;

struct PathPoint {
  double lambda = 0;        // 0: the first model, 1: the second
  Coefficients parameters;  // exactly (1, 0) and (0, 1) at the ends
  Coefficients statistics;  // of running means and variances: always (1 - lambda, lambda)
};

// `points` of them, equally spaced, both ends included: (1 - lambda) A + lambda B.
std::vector<PathPoint> line_path(int points);

// Spherical interpolation (Shoemake 1985) with one angle for all parameters together, as
// git-re-basin: sin((1 - lambda) W) / sin W A + sin(lambda W) / sin W B. An angle below 1e-6 is
// the line. Throws Error(mismatch) for one within 1e-6 of pi, where no arc is the shortest.
std::vector<PathPoint> slerp_path(int points, double angle);

// Inner products of models' parameters, gram[i][j] = <model i, model j>.
using Gram = std::vector<std::vector<double>>;

// acos(<A, B> / (|A| |B|)), in [0, pi]. Throws Error(mismatch) where one is all zeros.
double angle_of(const Gram& gram);
double distance_of(const Gram& gram, std::size_t a, std::size_t b);

// The plane through three models A, B, C, as Izmailov et al. 2018 (arXiv 1803.05407, section 3.3)
// and Frankle draw it: u = (B - A) / |B - A|, v = (C - A) less its part along u, of length 1.
class Plane {
 public:
  // Throws Error(mismatch) where the three lie on one line.
  explicit Plane(const Gram& gram);
  // Of A + x u + y v; their sum is 1. Exactly (1, 0, 0) and so on at the models.
  Coefficients at(double x, double y) const;
  // Where A, B and C lie: (0, 0), (|B - A|, 0), (<C - A, u>, <C - A, v>).
  const std::array<std::array<double, 2>, 3>& models() const { return models_; }

 private:
  std::array<std::array<double, 2>, 3> models_;
};

// `points` of them from `low` to `high`, both included.
std::vector<double> spaced(double low, double high, int points);

}  // namespace merganser::rt
