// A + alpha times the part of B - C that is perpendicular to A - C: what B learned and A did not.
#include <algorithm>

#include "kernels/blend.h"
#include "methods/parts/add_to_first.h"
#include "methods/parts/difference_products.h"

namespace merganser::methods {
namespace {

template <class T>
class AddPerpendicular final : public DifferenceProducts<T> {
 public:
  explicit AddPerpendicular(const MergeGroup& group) : DifferenceProducts<T>(group) {
    for (const MergeTensor& tensor : group.tensors) {
      alpha_.push_back(static_cast<T>(tensor.settings.number("alpha")));
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const T* a = block.inputs[kA];
    T* b = block.inputs[kB];
    if (this->products(block.tensor)(0, 0) == 0) {
      std::copy_n(a, block.size, out);
      return;
    }
    subtract<T>(a, block.base, out, block.size);
    subtract<T>(b, block.base, b, block.size);
    add_scaled<T>(-static_cast<T>(projection(block.tensor)), out, b, block.size);
    scale<T>(alpha_[block.tensor], b, out, block.size);
    add<T>(a, out, out, block.size);
  }

  std::vector<Fact> facts(std::size_t tensor) const override {
    return {{"projection", {projection(tensor)}}};
  }

 private:
  // The factor of A - C that is taken from B - C.
  double projection(std::size_t tensor) const {
    const Gram& products = this->products(tensor);
    return products(0, 0) == 0 ? 0 : products(0, 1) / products(0, 0);
  }

  std::vector<T> alpha_;
};

Outline outline(const MergeTensor& tensor) { return add_to_first_outline(tensor, 2); }

}  // namespace

extern const Descriptor add_perpendicular;
const Descriptor add_perpendicular = {
    .name = "add_perpendicular",
    .title = "Add perpendicular",
    .summary =
        "Adds to the first model the part of the second one's difference from the base that is "
        "perpendicular to the first one's own: models: [A, B], base_model: C.",
    .formula = "y = A + alpha (b - a (a.b) / |a|^2),  a = A - C, b = B - C;  a = 0: y = A",
    .paper = "sd-mecha, add_perpendicular",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 2,
    .max_inputs = 2,
    .parameters = {alpha_parameter(1, "Factor of the perpendicular part.")},
    .outline = outline,
    .make_f32 = make_merger<AddPerpendicular, float>,
    .make_f64 = make_merger<AddPerpendicular, double>,
};

}  // namespace merganser::methods
