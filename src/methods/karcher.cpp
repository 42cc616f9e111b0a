// The mean direction of the models on the sphere (Karcher 1977), with their mean length.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "method/descriptor.h"
#include "methods/parts/gram.h"

namespace merganser::methods {
namespace {

// Nearer to opposite than this the shortest way from the mean to a vector is not determined.
constexpr double kOpposite = 1e-7;

// The iteration of one tensor: the mean is sum_i u_i x_i, and only the u_i are ever touched.
class Iteration {
 public:
  Iteration(const Gram& gram, double tolerance) : gram_(gram), tolerance_(tolerance) {
    for (std::size_t i = 0; i < gram.size(); ++i) {
      length_ += gram.norm(i) / static_cast<double>(gram.size());
      if (gram.norm(i) > tolerance) valid_.push_back(i);
    }
    mean_.resize(gram.size());
    if (valid_.empty()) return;
    for (const std::size_t i : valid_) mean_[i] = 1 / (count() * gram.norm(i));
    if (gram.norm(mean_) < tolerance) {  // they cancel: begin somewhere
      std::fill(mean_.begin(), mean_.end(), 0.0);
      mean_[valid_[0]] = 1;
    }
    normalize();
  }

  void run(std::size_t limit) {
    if (valid_.empty()) return;
    while (true) {
      const std::vector<double> tangent = mean_tangent();
      residual_ = gram_.norm(tangent);
      if (residual_ < tolerance_ || residual_ == 0 || steps_ == limit) return;
      const double along = std::cos(residual_), across = std::sin(residual_) / residual_;
      for (std::size_t i = 0; i < mean_.size(); ++i) {
        mean_[i] = along * mean_[i] + across * tangent[i];
      }
      normalize();
      ++steps_;
    }
  }

  // Vectors without a direction still count for the length.
  std::vector<double> coefficients() const {
    std::vector<double> all = mean_;
    for (double& c : all) c *= length_;
    return all;
  }
  double residual() const { return residual_; }
  std::size_t steps() const { return steps_; }

 private:
  double count() const { return static_cast<double>(valid_.size()); }

  void normalize() {
    const double norm = gram_.norm(mean_);
    if (norm <= tolerance_) return;
    for (double& c : mean_) c /= norm;
  }

  // The mean of the ways from the mean to the vectors along the sphere.
  std::vector<double> mean_tangent() const {
    std::vector<double> tangent(mean_.size());
    double back = 0;
    for (const std::size_t i : valid_) {
      const double norm = gram_.norm(i);
      const double cosine = std::clamp(gram_.dot(i, mean_) / norm, -1.0, 1.0);
      const double angle = std::acos(cosine);
      if (angle < tolerance_ || std::numbers::pi - angle < kOpposite) continue;
      const double factor = angle == 0 ? 1 : angle / std::sin(angle);
      tangent[i] += factor / (count() * norm);
      back += factor * cosine / count();
    }
    for (std::size_t i = 0; i < mean_.size(); ++i) tangent[i] -= back * mean_[i];
    return tangent;
  }

  const Gram& gram_;
  double tolerance_;
  std::vector<std::size_t> valid_;  // vectors that have a direction
  std::vector<double> mean_;
  double length_ = 0, residual_ = 0;
  std::size_t steps_ = 0;
};

template <class T>
class Karcher final : public GramMerger<T> {
 public:
  explicit Karcher(const MergeGroup& group) : GramMerger<T>(group), facts_(group.tensors.size()) {
    for (const MergeTensor& tensor : group.tensors) {
      limits_.push_back(static_cast<std::size_t>(tensor.settings.number("max_iter")));
      tolerances_.push_back(tensor.settings.number("tol"));
    }
  }

  std::vector<Fact> facts(std::size_t tensor) const override { return facts_[tensor]; }

 protected:
  std::vector<double> coefficients(std::size_t tensor, const Gram& gram) override {
    Iteration iteration(gram, tolerances_[tensor]);
    iteration.run(limits_[tensor]);
    facts_[tensor] = {{"iterations", {static_cast<double>(iteration.steps())}},
                      {"residual", {iteration.residual()}}};
    return iteration.coefficients();
  }

 private:
  std::vector<std::size_t> limits_;
  std::vector<double> tolerances_;
  std::vector<std::vector<Fact>> facts_;
};

Outline outline(const MergeTensor& tensor) {
  const std::size_t inputs = tensor.settings.per_input.size();
  if (inputs == 1) return Outline::copy_of(0, 1, "one model: copied");
  return Outline::of_all(inputs, 2);
}

}  // namespace

extern const Descriptor karcher;
const Descriptor karcher = {
    .name = "karcher",
    .title = "Karcher mean",
    .summary =
        "The direction whose angles to those of all models are smallest in the mean square, with "
        "the models' mean length.",
    .formula =
        "u = argmin sum_i angle(u, x_i)^2, |u| = 1;  y = u mean_i |x_i|;  by steps along "
        "mean_i (a_i / sin a_i) (x_i/|x_i| - cos a_i u)",
    .paper =
        "Karcher 1977, Riemannian center of mass and mollifier smoothing; for models: "
        "arXiv 2603.04972",
    .space = InputSpace::weights,
    .base = BaseRole::ordinary,
    .min_inputs = 1,
    .parameters = {{.name = "max_iter",
                    .summary = "Most steps that are made.",
                    .fallback = Value{10.0},
                    .low = 0,
                    .high = 1e6,
                    .integer = true},
                   {.name = "tol",
                    .summary =
                        "Length of a step that ends the iteration, and of a tensor that has no "
                        "direction.",
                    .fallback = Value{1e-5},
                    .low = 0}},
    .outline = outline,
    .make_f32 = make_merger<Karcher, float>,
    .make_f64 = make_merger<Karcher, double>,
};

}  // namespace merganser::methods
