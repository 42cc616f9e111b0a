// One model's tensors as they are, or scaled: the method of frankenmerges (repeated layers).
#include "kernels/blend.h"
#include "method/descriptor.h"

namespace merganser::methods {
namespace {

template <class T>
class Passthrough final : public Merger<T> {
 public:
  explicit Passthrough(MergeGroup group) {
    for (const MergeTensor& tensor : group.tensors) {
      scales_.push_back(static_cast<T>(tensor.settings.optional_number("scale", 0).value_or(1)));
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    scale<T>(scales_[block.tensor], block.inputs[0], out, block.size);
  }

 private:
  std::vector<T> scales_;
};

Outline outline(const MergeTensor& tensor) {
  const Settings& settings = tensor.settings;
  if (settings.optional_number("scale", 0).value_or(1) == 1) return Outline::copy_of(0, 1, "");
  return Outline::of_all(1, 1);
}

}  // namespace

extern const Descriptor passthrough;
const Descriptor passthrough = {
    .name = "passthrough",
    .title = "Passthrough (frankenmerge)",
    .summary = "Copies one model's tensors, or scales them; slices stack layers of several models.",
    .formula = "y = scale * x",
    .paper = "MergeKit (Goddard et al. 2024, arXiv 2403.13257)",
    .space = InputSpace::weights,
    .base = BaseRole::ordinary,
    .min_inputs = 1,
    .max_inputs = 1,
    .parameters = {{.name = "scale",
                    .summary = "Factor; left out, the tensor is copied bit for bit.",
                    .scope = ParameterScope::per_input,
                    .optional = true}},
    .outline = outline,
    .make_f32 = make_merger<Passthrough, float>,
    .make_f64 = make_merger<Passthrough, double>,
};

}  // namespace merganser::methods
