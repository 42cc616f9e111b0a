// Task singular vectors (Gargiulo et al. 2024): each task's strongest directions, made orthogonal
// to those of the other tasks.
#include <algorithm>

#include "linalg/svd.h"
#include "methods/parts/matrix_merge.h"
#include "methods/parts/spectral_merge.h"

namespace merganser::methods {
namespace {

std::size_t kept(std::size_t full_rank, std::size_t tasks, const Settings& settings) {
  if (settings.choice("mode") == "lossless") return full_rank;
  return directions_of_task(full_rank, tasks);
}

template <class T>
std::vector<Fact> merge(MatrixDeltas<T>& in, MatrixView<T> out) {
  const auto found =
      merge_task_directions<T>(in, kept(in.full_rank(), in.tasks(), in.settings), out);
  return {{"ranks", found.ranks}, {"energy_kept", found.energy}};
}

template <class T>
std::unique_ptr<Merger<T>> make(MergeGroup group) {
  return merge_matrices<T>(std::move(group), merge<T>);
}

std::uint64_t workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t tasks,
                        const Settings& settings) {
  const std::uint64_t all = std::min(rows, cols), most = kept(all, tasks, settings);
  const std::uint64_t stack = sizeof(float) * most * tasks * (rows + cols);
  const std::uint64_t longest = std::max(rows, cols);
  // A task's decomposition, or that of one side of the stack.
  return stack + std::max(svd_workspace(rows, cols, most, sizeof(float)),
                          svd_workspace(most * tasks, longest, longest, sizeof(float)));
}

Outline outline(const MergeTensor& tensor) { return matrix_outline(tensor, true, workspace); }

}  // namespace

extern const Descriptor tsv;
const Descriptor tsv = {
    .name = "tsv",
    .title = "Task singular vectors (TSV-M)",
    .summary =
        "Keeps the strongest singular directions of each task vector of a matrix and makes them "
        "orthogonal to those of the other tasks before adding them up.",
    .formula =
        "w_i (x_i - b) = U_i S_i V_i^T, cut to 1/T of the rank;  P(A) = U V^T of A = U S V^T;  "
        "y = b + lambda P([U_1 .. U_T]) diag(S_1 .. S_T) P([V_1 .. V_T])^T;  no matrix: y = b + "
        "lambda mean_i w_i (x_i - b)",
    .paper = "Gargiulo et al. 2024, Task singular vectors, arXiv 2412.00081; as FusionBench",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = matrix_parameters(
        {{.name = "mode",
          .summary = "truncated: of T tasks each keeps 1/T of the directions; lossless: all, which "
                     "takes T times the memory and time.",
          .type = ParameterType::choice,
          .fallback = Value{"truncated"},
          .choices = {"truncated", "lossless"}}}),
    .blas = true,
    .outline = outline,
    .make_f32 = make<float>,
    .make_f64 = make<double>,
};

}  // namespace merganser::methods
