// Reinforced agent merging: shared changes are averaged over the models that make them, so that a
// change that only one model made is not diluted.
#include "kernels/blend.h"
#include "kernels/overlap.h"
#include "method/descriptor.h"
#include "methods/parts/overlap.h"

namespace merganser::methods {
namespace {

template <class T>
class Ram final : public Merger<T> {
 public:
  explicit Ram(const MergeGroup& group) {
    for (const MergeTensor& tensor : group.tensors) {
      epsilon_.push_back(static_cast<T>(tensor.settings.number("epsilon")));
      ones_.emplace_back(tensor.settings.per_input.size(), T{1});
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    merge_overlapping<T>(block.inputs, ones_[block.tensor], epsilon_[block.tensor], out,
                         block.size);
    add<T>(block.base, out, out, block.size);
  }

 private:
  std::vector<T> epsilon_;
  std::vector<std::vector<T>> ones_;
};

}  // namespace

extern const Descriptor ram;
const Descriptor ram = {
    .name = "ram",
    .title = "RAM (reinforced agent merging)",
    .summary =
        "Averages each change over the models that make it, and takes one that a single model "
        "makes in full.",
    .formula =
        "d_i = x_i - b;  c = number of i with |d_i| > epsilon;  "
        "y = b + sum_{|d_i| > epsilon} d_i / c",
    .paper = "Reinforced Agent Merging, arXiv 2601.13572",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = {epsilon_parameter()},
    .outline =
        [](const MergeTensor& tensor) {
          return Outline::of_all(tensor.settings.per_input.size(), 1);
        },
    .make_f32 = make_merger<Ram, float>,
    .make_f64 = make_merger<Ram, double>,
};

}  // namespace merganser::methods
