// A + alpha * smoothed (B - C): the difference without its outliers and fine grain.
#include "kernels/blend.h"
#include "methods/parts/add_to_first.h"
#include "methods/parts/smoothing.h"

namespace merganser::methods {
namespace {

template <class T>
class SmoothAdd final : public Merger<T> {
 public:
  explicit SmoothAdd(MergeGroup group) {
    for (const MergeTensor& tensor : group.tensors) {
      alpha_.push_back(static_cast<T>(tensor.settings.number("alpha")));
      shapes_.push_back(tensor.shape);
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const Shape& shape = shapes_[block.tensor];
    T* scratch = block.inputs[kB];
    subtract<T>(scratch, block.base, scratch, block.size);
    median_filter(shape, scratch, out);
    gaussian_filter(shape, out, scratch);
    scale<T>(alpha_[block.tensor], out, out, block.size);
    add<T>(block.inputs[kA], out, out, block.size);
  }

 private:
  std::vector<T> alpha_;
  std::vector<Shape> shapes_;
};

Outline outline(const MergeTensor& tensor) {
  Outline outline = add_to_first_outline(tensor, 1);
  if (outline.copy != Outline::kNoCopy) return outline;
  outline.unit = Unit::tensor;
  outline.workspace = median_filter_bytes(tensor.shape, sizeof(double));
  return outline;
}

}  // namespace

extern const Descriptor smooth_add;
const Descriptor smooth_add = {
    .name = "smooth_add",
    .title = "Smooth add",
    .summary =
        "Adds to the first model what the second one has over the base, smoothed over all axes of "
        "each tensor: models: [A, B], base_model: C.",
    .formula =
        "y = A + alpha gauss(median(B - C)): medians of 3 neighbours along each axis, then a "
        "Gaussian of deviation 1, cut at 4; tensors are mirrored at their ends",
    .paper = "supermerger (hako-mikan), 'smoothAdd'",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 2,
    .max_inputs = 2,
    .parameters = {alpha_parameter(1, "Factor of the smoothed difference.")},
    .outline = outline,
    .make_f32 = make_merger<SmoothAdd, float>,
    .make_f64 = make_merger<SmoothAdd, double>,
};

}  // namespace merganser::methods
