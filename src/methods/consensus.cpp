// TALL masks and Consensus merging (Wang et al. 2024): which elements of the multi-task vector each
// task needs.
#include <cmath>
#include <vector>

#include "kernels/blend.h"
#include "method/descriptor.h"
#include "methods/parts/task_masks.h"

namespace merganser::methods {
namespace {

template <class T>
class Consensus final : public Merger<T> {
 public:
  explicit Consensus(MergeGroup group) {
    for (const MergeTensor& tensor : group.tensors) {
      const std::vector<double> weights = tensor.settings.numbers("weight");
      tensors_.push_back({std::vector<T>(weights.begin(), weights.end()),
                          static_cast<T>(tensor.settings.number("mask_lambda")),
                          static_cast<T>(tensor.settings.number("lambda")),
                          static_cast<std::size_t>(tensor.settings.number("min_tasks"))});
    }
  }

  void masks(const Block<T>& block, std::span<std::uint8_t* const> bits) const override {
    const Tensor& tensor = tensors_[block.tensor];
    thread_local std::vector<T> merged;
    merged.resize(block.size);
    for (std::size_t e = 0; e < block.size; ++e) merged[e] = sum(tensor, block, e);
    write_masks<T>(block, bits, [&](std::size_t input, std::size_t element) {
      return keeps(tensor, block.inputs[input][element], merged[element]);
    });
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const Tensor& tensor = tensors_[block.tensor];
    for (std::size_t e = 0; e < block.size; ++e) {
      const T merged = sum(tensor, block, e);
      std::size_t wanted = 0;
      for (const T* input : block.inputs) wanted += keeps(tensor, input[e], merged);
      out[e] = wanted >= tensor.min_tasks ? merged : T{0};
    }
    scale<T>(tensor.lambda, out, out, block.size);
    add<T>(block.base, out, out, block.size);
  }

 private:
  struct Tensor {
    std::vector<T> weights;
    T mask_lambda, lambda;
    std::size_t min_tasks;
  };

  static T sum(const Tensor& tensor, const Block<T>& block, std::size_t element) {
    T merged = 0;
    for (std::size_t i = 0; i < block.inputs.size(); ++i) {
      merged += tensor.weights[i] * block.inputs[i][element];
    }
    return merged;
  }

  static bool keeps(const Tensor& tensor, T own, T merged) {
    return std::abs(own) > tensor.mask_lambda * std::abs(merged - own);
  }

  std::vector<Tensor> tensors_;
};

// A model of weight 0 has no part in the sum, but a mask: all are read.
Outline outline(const MergeTensor& tensor) {
  return Outline::of_all(tensor.settings.per_input.size(), 1);
}

}  // namespace

extern const Descriptor consensus;
const Descriptor consensus = {
    .name = "consensus",
    .title = "TALL masks and Consensus",
    .summary =
        "Adds task vectors, with a mask for each task of the elements that it needs: merganser "
        "materialise makes any task's checkpoint; min_tasks: 2 drops what fewer tasks need.",
    .formula =
        "t = sum_i w_i d_i;  m_i = [|d_i| > mask_lambda |t - d_i|];  "
        "y = b + lambda t [sum_i m_i >= min_tasks];  task i: b + m_i (y - b)",
    .paper = "Wang et al. 2024, Localizing Task Information, arXiv 2405.07813",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters =
        {{.name = "weight",
          .summary = "Factor w_i of the model's task vector.",
          .scope = ParameterScope::per_input,
          .fallback = Value{1.0}},
         {.name = "lambda", .summary = "Factor of the merged task vector.", .fallback = Value{1.0}},
         {.name = "mask_lambda",
          .summary = "How much a task must outweigh the others to need an element; larger keeps "
                     "fewer.",
          .fallback = Value{0.6},
          .low = 0},
         {.name = "min_tasks",
          .summary = "Elements that fewer tasks need are dropped; 0 keeps all.",
          .fallback = Value{0.0},
          .low = 0,
          .high = 1000,
          .integer = true}},
    .task_masks = true,
    .outline = outline,
    .make_f32 = make_merger<Consensus, float>,
    .make_f64 = make_merger<Consensus, double>,
};

}  // namespace merganser::methods
