// Task vectors added to the base (Ilharco et al. 2022). Negative weights: forgetting.
#include "methods/parts/task_vectors.h"

namespace merganser::methods {
namespace {

template <class T>
std::unique_ptr<Merger<T>> make(MergeGroup group) {
  return merge_task_vectors<T>(std::move(group), keep_all<T>(), {});
}

}  // namespace

extern const Descriptor task_arithmetic;
const Descriptor task_arithmetic = {
    .name = "task_arithmetic",
    .title = "Task arithmetic",
    .summary = "Adds weighted task vectors to the base; negative weights subtract a skill.",
    .formula = "y = b + lambda * sum_i w_i (x_i - b)   (normalize: / sum_i w_i)",
    .paper = "Ilharco et al. 2022, Editing models with task arithmetic, arXiv 2212.04089",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = {weight_parameter(),
                   normalize_parameter(false),
                   lambda_parameter(),
                   density_parameter("Accepted for MergeKit's recipes; has no effect here."),
                   {.name = "rescale",
                    .summary = "Accepted for MergeKit's recipes; has no effect here.",
                    .type = ParameterType::flag,
                    .fallback = Value{false}},
                   int8_mask_parameter()},
    .outline = [](const MergeTensor& tensor) { return task_vector_outline(tensor.settings, 0); },
    .make_f32 = make<float>,
    .make_f64 = make<double>,
};

}  // namespace merganser::methods
