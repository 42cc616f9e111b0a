// The point with the least sum of distances to the models (Weiszfeld 1937): no single model,
// however far off, moves it far.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "method/descriptor.h"
#include "methods/parts/gram.h"

namespace merganser::methods {
namespace {

struct Limits {
  double eps = 0, ftol = 0;
  std::size_t maxiter = 0;
};

// The median is sum_i u_i x_i with the sum of u_i 1: only the u_i are iterated.
class Weiszfeld {
 public:
  explicit Weiszfeld(const Gram& gram)
      : gram_(gram), shares_(gram.size(), 1 / static_cast<double>(gram.size())) {}

  void run(const Limits& limits) {
    std::vector<double> distances = distances_of();
    while (steps_ < limits.maxiter) {
      const double before = mean_distance_;
      double sum = 0;
      for (std::size_t i = 0; i < shares_.size(); ++i) {
        sum += shares_[i] = 1 / std::max(distances[i], limits.eps);
      }
      for (double& share : shares_) share /= sum;
      ++steps_;
      distances = distances_of();
      if (std::abs(before - mean_distance_) <= limits.ftol * mean_distance_) return;
    }
  }

  const std::vector<double>& shares() const { return shares_; }
  std::size_t steps() const { return steps_; }
  double mean_distance() const { return mean_distance_; }

 private:
  std::vector<double> distances_of() {
    std::vector<double> distances;
    mean_distance_ = 0;
    for (std::size_t i = 0; i < shares_.size(); ++i) {
      std::vector<double> way = shares_;
      // 1 - u_i as the sum of the others: near a model the difference would be all rounding.
      way[i] = 0;
      way[i] = -std::accumulate(way.begin(), way.end(), 0.0);
      distances.push_back(gram_.norm(way));
      mean_distance_ += distances.back() / static_cast<double>(way.size());
    }
    return distances;
  }

  const Gram& gram_;
  std::vector<double> shares_;
  double mean_distance_ = 0;
  std::size_t steps_ = 0;
};

template <class T>
class GeometricMedian final : public GramMerger<T> {
 public:
  explicit GeometricMedian(const MergeGroup& group)
      : GramMerger<T>(group), facts_(group.tensors.size()) {
    for (const MergeTensor& tensor : group.tensors) {
      limits_.push_back({.eps = tensor.settings.number("eps"),
                         .ftol = tensor.settings.number("ftol"),
                         .maxiter = static_cast<std::size_t>(tensor.settings.number("maxiter"))});
    }
  }

  std::vector<Fact> facts(std::size_t tensor) const override { return facts_[tensor]; }

 protected:
  std::vector<double> coefficients(std::size_t tensor, const Gram& gram) override {
    Weiszfeld iteration(gram);
    iteration.run(limits_[tensor]);
    facts_[tensor] = {{"shares", iteration.shares()},
                      {"mean_distance", {iteration.mean_distance()}},
                      {"iterations", {static_cast<double>(iteration.steps())}}};
    return iteration.shares();
  }

 private:
  std::vector<Limits> limits_;
  std::vector<std::vector<Fact>> facts_;
};

Outline outline(const MergeTensor& tensor) {
  const std::size_t inputs = tensor.settings.per_input.size();
  if (inputs == 1) return Outline::copy_of(0, 1, "one model: copied");
  return Outline::of_all(inputs, 2);
}

}  // namespace

extern const Descriptor geometric_median;
const Descriptor geometric_median = {
    .name = "geometric_median",
    .title = "Geometric median",
    .summary =
        "The point whose distances to the models have the least sum: a mean that outliers hardly "
        "move.",
    .formula =
        "y = argmin sum_i |y - x_i|;  y <- sum_i u_i x_i / sum_i u_i, u_i = 1 / max(|y - x_i|, "
        "eps), from the mean",
    .paper =
        "Weiszfeld 1937, Sur le point pour lequel la somme des distances de n points donnes est "
        "minimum; sd-mecha, geometric_median",
    .space = InputSpace::weights,
    .base = BaseRole::ordinary,
    .min_inputs = 1,
    .parameters = {{.name = "eps",
                    .summary = "A distance that is shorter counts as this one.",
                    .fallback = Value{1e-6},
                    .low = 1e-300},
                   {.name = "maxiter",
                    .summary = "Most steps that are made.",
                    .fallback = Value{100.0},
                    .low = 0,
                    .high = 1e6,
                    .integer = true},
                   {.name = "ftol",
                    .summary =
                        "Ends the iteration when a step changes the mean distance by no more than "
                        "this share of it.",
                    .fallback = Value{1e-20},
                    .low = 0}},
    .outline = outline,
    .make_f32 = make_merger<GeometricMedian, float>,
    .make_f64 = make_merger<GeometricMedian, double>,
};

}  // namespace merganser::methods
