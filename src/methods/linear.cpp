// Weighted average of the models (Wortsman et al. 2022, model soups). Equal weights: uniform soup.
#include "kernels/blend.h"
#include "methods/parts/weights.h"

namespace merganser::methods {
namespace {

template <class T>
class Linear final : public Merger<T> {
 public:
  explicit Linear(MergeGroup group) {
    for (const MergeTensor& tensor : group.tensors) {
      const std::vector<double> exact = weights_of(tensor.settings, "normalize");
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
  return weighted_outline("linear", tensor.settings, "normalize", 1);
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
