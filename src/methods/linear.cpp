// Weighted average of the models (Wortsman et al. 2022, model soups). Equal weights: uniform soup.
#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "kernels/blend.h"
#include "method/descriptor.h"

namespace merganser::methods {
namespace {

std::vector<double> coefficients(const Settings& settings) {
  std::vector<double> weights = settings.numbers("weight");
  if (settings.flag("normalize")) {
    double sum = 0;
    for (const double w : weights) sum += w;
    for (double& w : weights) w /= sum;
  }
  return weights;
}

template <class T>
class Linear final : public Merger<T> {
 public:
  explicit Linear(MergeGroup group) {
    for (const MergeTensor& tensor : group.tensors) {
      const std::vector<double> exact = coefficients(tensor.settings);
      coefficients_.emplace_back(exact.begin(), exact.end());
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    combine<T>(coefficients_[block.tensor], block.inputs, out, block.size);
  }

 private:
  std::vector<std::vector<T>> coefficients_;
};

Outline outline(const MergeTensor& tensor) {
  const Settings& settings = tensor.settings;
  const std::vector<double> weights = settings.numbers("weight");
  double sum = 0;
  std::size_t nonzero = 0, last = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    sum += weights[i];
    if (weights[i] != 0) {
      ++nonzero;
      last = i;
    }
  }
  const bool normalize = settings.flag("normalize");
  if (normalize && std::abs(sum) < 1e-12) {
    throw Error(ErrorKind::recipe, fmt::format("linear: the weights sum to {}", sum))
        .hint("give weights with another sum, or normalize: false");
  }
  if (nonzero == 1 && (normalize || weights[last] == 1)) {
    return Outline::copy_of(last, weights.size(), "only one model has a weight: copied");
  }
  Outline outline = Outline::of_all(weights.size(), 1);
  for (std::size_t i = 0; i < weights.size(); ++i) outline.reads[i] = weights[i] != 0;
  return outline;
}

}  // namespace

extern const Descriptor linear;
const Descriptor linear = {
    .name = "linear",
    .title = "Linear (model soup)",
    .summary = "Weighted average of the models; equal weights make the uniform soup.",
    .formula = "y = sum_i w_i x_i / sum_i w_i   (normalize: false leaves the division out)",
    .paper = "Wortsman et al. 2022, Model soups, arXiv 2203.05482",
    .space = InputSpace::weights,
    .base = BaseRole::ordinary,
    .min_inputs = 1,
    .parameters = {{.name = "weight",
                    .summary = "Coefficient w_i of the model; negative ones subtract.",
                    .scope = ParameterScope::per_input},
                   {.name = "normalize",
                    .summary = "Divide by the sum of the weights.",
                    .type = ParameterType::flag,
                    .fallback = Value{true}}},
    .outline = outline,
    .make_f32 = make_merger<Linear, float>,
    .make_f64 = make_merger<Linear, double>,
};

}  // namespace merganser::methods
