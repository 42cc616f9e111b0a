// Spherical interpolation between any number of models.
//
// As it was described, the models' directions are projected onto the plane that touches the sphere
// at their weighted mean, averaged there and brought back. But at the mean itself that average is
// zero: the result is the mean direction with the weighted norm.
#include <algorithm>
#include <cmath>

#include "method/descriptor.h"
#include "methods/parts/gram.h"
#include "methods/parts/weights.h"

namespace merganser::methods {
namespace {

// Directions that cancel to less than this share of their sum of lengths have no mean: what is left
// is rounding.
constexpr double kCancelled = 1e-7;

struct Blend {
  std::vector<double> coefficients;
  double norm = 0;  // the result's
};

Blend blend(const Gram& gram, const std::vector<double>& weights, double eps) {
  const std::size_t n = gram.size();
  std::vector<double> mean(n);  // m = sum mean_i x_i
  double norm = 0, size = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double length = gram.norm(i) + eps;
    mean[i] = length > 0 ? weights[i] / length : 0;
    norm += weights[i] * gram.norm(i);
    size += std::abs(mean[i]) * gram.norm(i);
  }
  const double mean_norm = gram.norm(mean);
  if (mean_norm < eps || mean_norm <= kCancelled * size) return {weights, gram.norm(weights)};
  // MergeKit turns by |0| + eps.
  for (double& m : mean) m *= norm * std::cos(eps) / mean_norm;
  return {mean, std::abs(norm * std::cos(eps))};
}

template <class T>
class MultiSlerp final : public GramMerger<T> {
 public:
  explicit MultiSlerp(const MergeGroup& group)
      : GramMerger<T>(group), norms_(group.tensors.size()) {
    for (const MergeTensor& tensor : group.tensors) {
      weights_.push_back(weights_of(tensor.settings, "normalize_weights"));
      eps_.push_back(tensor.settings.number("eps"));
    }
  }

  std::vector<Fact> facts(std::size_t tensor) const override {
    return {{"norm", {norms_[tensor]}}};
  }

 protected:
  std::vector<double> coefficients(std::size_t tensor, const Gram& gram) override {
    const Blend result = blend(gram, weights_[tensor], eps_[tensor]);
    norms_[tensor] = result.norm;
    return result.coefficients;
  }

 private:
  std::vector<std::vector<double>> weights_;
  std::vector<double> eps_, norms_;
};

Outline outline(const MergeTensor& tensor) {
  const std::vector<double> weights = tensor.settings.numbers("weight");
  if (weights.size() == 1) return Outline::copy_of(0, 1, "one model: copied");
  const auto is_zero = [](double w) { return w == 0; };
  if (tensor.has_base && !tensor.settings.flag("normalize_weights") &&
      std::all_of(weights.begin(), weights.end(), is_zero)) {
    return Outline::copy_of(Outline::kCopyBase, weights.size(),
                            "every weight is 0: the base is copied");
  }
  return weighted_outline("multislerp", tensor.settings, "normalize_weights", 2);
}

}  // namespace

extern const Descriptor multislerp;
const Descriptor multislerp = {
    .name = "multislerp",
    .title = "Multi-SLERP",
    .summary =
        "Interpolates any number of models on the sphere around the base, or around zero, by "
        "weights.",
    .formula =
        "d_i = x_i - b (or x_i);  m = sum_i w_i d_i / (|d_i| + eps);  "
        "y = b + m/|m| * sum_i w_i |d_i|",
    .paper = "Goddard 2025, goddard.blog/posts/multislerp-wow-what-a-cool-idea",
    .space = InputSpace::deltas,
    .base = BaseRole::optional,
    .min_inputs = 1,
    .parameters =
        {{.name = "weight",
          .summary = "Weight w_i of the model.",
          .scope = ParameterScope::per_input},
         {.name = "normalize_weights",
          .summary = "Divide the weights by their sum.",
          .type = ParameterType::flag,
          .fallback = Value{true}},
         {.name = "eps",
          .summary =
              "Added to norms that divide; where the mean direction is shorter, the result is the "
              "weighted sum.",
          .fallback = Value{1e-8},
          .low = 0}},
    .outline = outline,
    .make_f32 = make_merger<MultiSlerp, float>,
    .make_f64 = make_merger<MultiSlerp, double>,
};

}  // namespace merganser::methods
