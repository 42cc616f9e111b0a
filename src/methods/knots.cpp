// KnOTS (Stoica et al. 2024): task vectors are merged after one decomposition has given them a
// common basis, in which those of adapters are comparable element by element.
#include <algorithm>

#include "kernels/blend.h"
#include "linalg/joint_svd.h"
#include "linalg/multiply.h"
#include "methods/parts/dense_ties.h"
#include "methods/parts/matrix_merge.h"

namespace merganser::methods {
namespace {

template <class T>
std::vector<Fact> merge(MatrixDeltas<T>& in, MatrixView<T> out) {
  const double error = *std::max_element(in.element_error.begin(), in.element_error.end());
  const JointSvd<T> svd = joint_svd<T>(std::span<const MatrixView<T>>(in.delta), error);
  const std::size_t size = svd.s.size() * in.cols();
  // The merged right vectors take the place of the first task's.
  if (in.settings.choice("merge") == "ties") {
    std::vector<T*> right;
    for (const MatrixView<T>& vt : svd.vt) right.push_back(vt.data);
    merge_dense_ties<T>(right, in.settings.numbers("density"), right[0], size);
  } else {
    for (std::size_t i = 1; i < in.tasks(); ++i) {
      add<T>(svd.vt[0].data, svd.vt[i].data, svd.vt[0].data, size);
    }
  }
  compose<T>(svd.ut.view(), svd.s, svd.vt[0], out);
  return {{"rank", {static_cast<double>(svd.s.size())}},
          {"largest_singular_value", {svd.s.empty() ? 0 : svd.s[0]}}};
}

template <class T>
std::unique_ptr<Merger<T>> make(MergeGroup group) {
  return merge_matrices<T>(std::move(group), merge<T>);
}

std::uint64_t workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t tasks,
                        const Settings&) {
  // The sizes that TIES sorts come when the decomposition's work is gone.
  return std::max(joint_svd_workspace(rows, cols, tasks, sizeof(float)),
                  sizeof(float) * rows * (rows + cols));
}

Outline outline(const MergeTensor& tensor) { return matrix_outline(tensor, false, workspace); }

}  // namespace

extern const Descriptor knots;
const Descriptor knots = {
    .name = "knots",
    .title = "KnOTS",
    .summary =
        "Decomposes the task vectors of a matrix together, side by side, and merges what each has "
        "in that common basis.",
    .formula =
        "[d_1 .. d_T] = U S [V_1 .. V_T]^T, d_i = w_i (x_i - b);  y = b + lambda U S m(V_1 .. "
        "V_T)^T;  no matrix: y = b + lambda mean_i d_i",
    .paper = "Stoica et al. 2024, Model merging with SVD to tie the KnOTS, arXiv 2410.19735",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = matrix_parameters(
        {{.name = "merge",
          .summary = "Of the V_i: ties trims them, elects signs and takes the mean of those that "
                     "agree; task_arithmetic adds them up, which is the same as without a basis.",
          .type = ParameterType::choice,
          .fallback = Value{"ties"},
          .choices = {"ties", "task_arithmetic"}},
         {.name = "density",
          .summary = "ties: share of the entries of V_i that is kept, those of largest magnitude.",
          .scope = ParameterScope::per_input,
          .fallback = Value{0.2},
          .low = 0,
          .high = 1}}),
    .blas = true,
    .outline = outline,
    .make_f32 = make<float>,
    .make_f64 = make<double>,
};

}  // namespace merganser::methods
