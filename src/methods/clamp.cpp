// A model held, element by element, inside the range that other models span.
#include <algorithm>
#include <array>
#include <vector>

#include "kernels/blend.h"
#include "method/descriptor.h"
#include "methods/parts/bounds.h"

namespace merganser::methods {
namespace {

// Moves `low` and `high` towards the bounds nearest to the mean of all, from either side.
template <class T>
void stiffen(std::span<T* const> bounds, T stiffness, T* low, T* high, std::size_t n) {
  std::array<T, kBlock> mean{}, above, below;
  std::copy_n(bounds[0], n, mean.data());
  for (const T* bound : bounds.subspan(1)) add<T>(mean.data(), bound, mean.data(), n);
  divide<T>(mean.data(), static_cast<T>(bounds.size()), mean.data(), n);
  std::copy_n(high, n, above.data());
  std::copy_n(low, n, below.data());
  for (const T* bound : bounds) {
    for (std::size_t i = 0; i < n; ++i) {
      const T x = bound[i];
      const T nearer_above = x < above[i] ? x : above[i],
              nearer_below = x > below[i] ? x : below[i];
      above[i] = x >= mean[i] ? nearer_above : above[i];
      below[i] = x <= mean[i] ? nearer_below : below[i];
    }
  }
  const T rest = 1 - stiffness;
  scale<T>(rest, high, high, n);
  add_scaled<T>(stiffness, above.data(), high, n);
  scale<T>(rest, low, low, n);
  add_scaled<T>(stiffness, below.data(), low, n);
}

template <class T>
class Clamp final : public Merger<T> {
 public:
  explicit Clamp(MergeGroup group) {
    for (const MergeTensor& tensor : group.tensors) {
      stiffness_.push_back(static_cast<T>(tensor.settings.number("stiffness")));
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const std::size_t n = block.size;
    std::array<T, kBlock> low, high;
    std::copy_n(block.inputs[0], n, low.data());
    std::copy_n(block.inputs[0], n, high.data());
    for (const T* bound : block.inputs.subspan(1)) widen_bounds(bound, low.data(), high.data(), n);
    const T stiffness = stiffness_[block.tensor];
    if (stiffness != 0) stiffen(block.inputs, stiffness, low.data(), high.data(), n);
    std::copy_n(block.base, n, out);
    clamp_into(low.data(), high.data(), out, n);
  }

 private:
  std::vector<T> stiffness_;
};

Outline outline(const MergeTensor& tensor) {
  const std::size_t bounds = tensor.settings.per_input.size();
  if (bounds == 1) return Outline::copy_of(0, 1, "one bound leaves no range: it is copied");
  return Outline::of_all(bounds, 1);
}

}  // namespace

extern const Descriptor clamp;
const Descriptor clamp = {
    .name = "clamp",
    .title = "Clamp",
    .summary =
        "Holds the base, element by element, between the smallest and the largest of the models.",
    .formula =
        "y = min(max(b, l), h),  l = min_i x_i, h = max_i x_i;  stiffness s: "
        "h = (1-s) max_i x_i + s min{x_i >= mean}, l = (1-s) min_i x_i + s max{x_i <= mean}",
    .paper = "sd-mecha, clamp",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 1,
    .parameters = {{.name = "stiffness",
                    .summary =
                        "Narrows the range: at 1 it ends at the models nearest to their mean, "
                        "above and below.",
                    .fallback = Value{0.0}}},
    .outline = outline,
    .make_f32 = make_merger<Clamp, float>,
    .make_f64 = make_merger<Clamp, double>,
};

}  // namespace merganser::methods
