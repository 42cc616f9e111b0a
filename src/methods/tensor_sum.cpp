// The base with a window of rows, along the first axis, taken from the model.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "method/descriptor.h"

namespace merganser::methods {
namespace {

// Elements [first, last) are one model's, the others the other's.
struct Window {
  std::uint64_t first = 0, last = 0;
  bool of_base = false;  // what lies in it; else the model's
};

// As sd-mecha places it: the window may wrap around, and what it leaves is then one range.
Window window_of(const MergeTensor& tensor) {
  double width = tensor.settings.number("width"), offset = tensor.settings.number("offset");
  if (tensor.shape.empty()) return {0, width > 0.5 ? 1u : 0u, false};
  if (width < 0) {
    offset += width;
    width = -width;
  }
  width = std::min(width, 1.0);
  if (offset < 0) offset = 1 + offset - std::trunc(offset);
  offset = std::fmod(offset, 1.0);
  const std::uint64_t rows = tensor.shape[0];
  const std::uint64_t row = rows == 0 ? 0 : tensor.size / rows;
  const auto element = [&](double share) {  // halves to even
    return static_cast<std::uint64_t>(std::nearbyint(share * static_cast<double>(rows))) * row;
  };
  if (width + offset <= 1) return {element(offset), element(width + offset), false};
  return {element(width + offset - 1), element(offset), true};
}

template <class T>
class TensorSum final : public Merger<T> {
 public:
  explicit TensorSum(MergeGroup group) {
    for (const MergeTensor& tensor : group.tensors) windows_.push_back(window_of(tensor));
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const Window& window = windows_[block.tensor];
    const T *inside = block.inputs[0], *outside = block.base;
    if (window.of_base) std::swap(inside, outside);
    const auto in_block = [&](std::uint64_t element) {
      return std::clamp(element, block.first, block.first + block.size) - block.first;
    };
    const std::uint64_t first = in_block(window.first), last = in_block(window.last);
    std::copy(outside, outside + first, out);
    std::copy(inside + first, inside + last, out + first);
    std::copy(outside + last, outside + block.size, out + last);
  }

 private:
  std::vector<Window> windows_;
};

Outline outline(const MergeTensor& tensor) {
  const Window window = window_of(tensor);
  const bool empty = window.first == window.last;
  if (empty || window.last - window.first == tensor.size) {
    return empty == window.of_base
               ? Outline::copy_of(0, 1, "all rows are the model's")
               : Outline::copy_of(Outline::kCopyBase, 1, "all rows are the base's");
  }
  return Outline::of_all(1, 1);
}

}  // namespace

extern const Descriptor tensor_sum;
const Descriptor tensor_sum = {
    .name = "tensor_sum",
    .title = "Tensor sum",
    .summary =
        "Takes a window of the model's rows, along the first axis of each tensor, and the rest "
        "from the base.",
    .formula = "y_i = B_i for rows i in [offset n, (offset + width) n), around the end; else A_i",
    .paper = "supermerger (hako-mikan), 'tensor'; meh, tensor_sum; sd-mecha, tensor_sum",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 1,
    .max_inputs = 1,
    .parameters = {{.name = "width",
                    .summary = "Share of the rows that the model gives; a negative window ends at "
                               "the offset. A tensor without axes is the model's above 0.5."},
                   {.name = "offset",
                    .summary = "Where the window begins, as a share of the rows.",
                    .fallback = Value{0.0}}},
    .outline = outline,
    .make_f32 = make_merger<TensorSum, float>,
    .make_f64 = make_merger<TensorSum, double>,
};

}  // namespace merganser::methods
