// A + alpha (B - C): what fine-tuning made of C in B is added to A.
#include <algorithm>
#include <array>

#include "kernels/blend.h"
#include "methods/parts/add_to_first.h"
#include "methods/parts/bounds.h"

namespace merganser::methods {
namespace {

template <class T>
class AddDifference final : public Merger<T> {
 public:
  explicit AddDifference(MergeGroup group) {
    for (const MergeTensor& tensor : group.tensors) {
      alpha_.push_back(static_cast<T>(tensor.settings.number("alpha")));
      clamp_.push_back(tensor.settings.flag("clamp_to_ab"));
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const T *a = block.inputs[kA], *b = block.inputs[kB];
    subtract<T>(b, block.base, out, block.size);
    scale<T>(alpha_[block.tensor], out, out, block.size);
    add<T>(a, out, out, block.size);
    if (!clamp_[block.tensor]) return;
    std::array<T, kBlock> low, high;
    std::copy_n(a, block.size, low.data());
    std::copy_n(a, block.size, high.data());
    widen_bounds(b, low.data(), high.data(), block.size);
    clamp_into(low.data(), high.data(), out, block.size);
  }

 private:
  std::vector<T> alpha_;
  std::vector<bool> clamp_;
};

Outline outline(const MergeTensor& tensor) { return add_to_first_outline(tensor, 1); }

}  // namespace

extern const Descriptor add_difference;
const Descriptor add_difference = {
    .name = "add_difference",
    .title = "Add difference",
    .summary =
        "Adds to the first model what the second one has over the base: models: [A, B], "
        "base_model: C.",
    .formula = "y = A + alpha (B - C);  clamp_to_ab: y into [min(A, B), max(A, B)]",
    .paper = "AUTOMATIC1111 Stable Diffusion web UI, 'Add difference'; sd-mecha, add_difference",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 2,
    .max_inputs = 2,
    .parameters = {alpha_parameter(1, "Factor of the difference (the web UI's slider M)."),
                   {.name = "clamp_to_ab",
                    .summary = "Keep each element between those of the two models.",
                    .type = ParameterType::flag,
                    .fallback = Value{false}}},
    .outline = outline,
    .make_f32 = make_merger<AddDifference, float>,
    .make_f64 = make_merger<AddDifference, double>,
};

}  // namespace merganser::methods
