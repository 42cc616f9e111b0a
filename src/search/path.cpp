#include "search/path.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace merganser::rt {
namespace {

constexpr double kNoAngle = 1e-6;

double squared_distance(const Gram& gram, std::size_t a, std::size_t b) {
  return std::max(0.0, gram[a][a] + gram[b][b] - 2 * gram[a][b]);
}

}  // namespace

std::vector<double> spaced(double low, double high, int points) {
  std::vector<double> values;
  for (int i = 0; i < points; ++i) {
    values.push_back(i + 1 == points ? high : low + (high - low) * i / (points - 1));
  }
  return values;
}

std::vector<PathPoint> line_path(int points) {
  std::vector<PathPoint> path;
  for (const double lambda : spaced(0, 1, points)) {
    path.push_back({lambda, {1 - lambda, lambda}, {1 - lambda, lambda}});
  }
  return path;
}

std::vector<PathPoint> slerp_path(int points, double angle) {
  if (std::numbers::pi - angle < kNoAngle) {
    throw Error(ErrorKind::mismatch, "the models point in opposite directions: there is no arc")
        .hint("--path line");
  }
  std::vector<PathPoint> path = line_path(points);
  if (angle < kNoAngle) return path;
  for (std::size_t i = 1; i + 1 < path.size(); ++i) {
    const double lambda = path[i].lambda;
    path[i].parameters = {std::sin((1 - lambda) * angle) / std::sin(angle),
                          std::sin(lambda * angle) / std::sin(angle)};
  }
  return path;
}

double angle_of(const Gram& gram) {
  const double lengths = std::sqrt(gram[0][0]) * std::sqrt(gram[1][1]);
  if (!(lengths > 0)) {
    throw Error(ErrorKind::mismatch, "a model's parameters are all zeros: it has no direction");
  }
  return std::acos(std::clamp(gram[0][1] / lengths, -1.0, 1.0));
}

double distance_of(const Gram& gram, std::size_t a, std::size_t b) {
  return std::sqrt(squared_distance(gram, a, b));
}

Plane::Plane(const Gram& gram) : models_{} {
  const double base = distance_of(gram, 0, 1);
  const double other = distance_of(gram, 0, 2);
  // <B - A, C - A>
  const double product = gram[1][2] - gram[0][1] - gram[0][2] + gram[0][0];
  const double along = base > 0 ? product / base : 0;
  const double across = std::sqrt(std::max(0.0, other * other - along * along));
  // Squares of nearly equal lengths cancel: below this there is only rounding.
  if (!(base > 0) || !(across > 1e-6 * std::max(base, other))) {
    throw Error(ErrorKind::mismatch, "the three models lie on one line: they span no plane")
        .hint("give two of them for the path between");
  }
  models_ = {{{0, 0}, {base, 0}, {along, across}}};
}

Coefficients Plane::at(double x, double y) const {
  const double third = y / models_[2][1];
  const double second = (x - third * models_[2][0]) / models_[1][0];
  return {1 - second - third, second, third};
}

}  // namespace merganser::rt
