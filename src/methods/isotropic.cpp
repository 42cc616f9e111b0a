// Isotropic merging (Marczak et al. 2025): the singular values of the merged difference become
// equal, so that directions which few tasks share are as strong as the common ones.
#include <algorithm>
#include <cmath>

#include "linalg/low_rank.h"
#include "linalg/multiply.h"
#include "linalg/svd.h"
#include "methods/parts/matrix_merge.h"
#include "methods/parts/spectral_merge.h"
#include "methods/parts/stacked_vectors.h"

namespace merganser::methods {
namespace {

template <class T>
std::vector<Fact> common(MatrixDeltas<T>& in, MatrixView<T> out) {
  const IsotropicSum sum = merge_isotropic<T>(in, out);
  return {{"rank", {static_cast<double>(sum.rank)}},
          {"mean_singular_value", {sum.mean_value}},
          {"largest_singular_value", {sum.largest_value}}};
}

// How many directions the common space keeps, and each task's own.
struct Dimensions {
  std::size_t common = 0, own = 0;
};

Dimensions dimensions(std::size_t full_rank, std::size_t tasks, double fraction) {
  // As the authors' code: the rest is rounded (half to even) to a multiple of the tasks.
  const auto wanted = static_cast<std::size_t>(static_cast<double>(full_rank) * fraction);
  const double share = static_cast<double>(full_rank - wanted) / static_cast<double>(tasks);
  const auto own = std::min(static_cast<std::size_t>(std::nearbyint(share)), full_rank / tasks);
  return {full_rank - own * tasks, own};
}

// delta -= P delta, P the projection on the space of the rows of `ut`. Where little is left, what
// was rounded at the size of the whole is taken out by projecting again.
template <class T>
void leave_out(MatrixView<const T> ut, MatrixView<T> delta) {
  Matrix<T> coefficients(ut.rows, delta.cols);
  const double before = squared_norm<T>(delta);
  for (int round = 0; round < 2; ++round) {
    multiply<T>(1, ut, Transposed::no, delta, Transposed::no, 0, coefficients.view());
    multiply<T>(-1, ut, Transposed::yes, coefficients.view(), Transposed::no, 1, delta);
    if (squared_norm<T>(delta) > 0.25 * before) return;
  }
}

template <class T>
std::vector<Fact> common_and_task(MatrixDeltas<T>& in, MatrixView<T> out) {
  const Dimensions size =
      dimensions(in.full_rank(), in.tasks(), in.settings.number("common_space_fraction"));
  in.sum_into(out);
  Svd<T> shared = thin_svd<T>(out, {.most = size.common, .element_error = in.error_of_sum()});
  StackedVectors<T> stack(in.rows(), in.cols(), size.common + in.tasks() * size.own);
  std::vector<double> own_ranks;
  for (std::size_t i = 0; i < in.tasks(); ++i) {
    // The projection rounds at the size of the difference, not of what is left of it.
    const double rounding =
        rounding_error<T>(squared_norm<T>(in.delta[i]), static_cast<double>(in.rows() * in.cols()));
    leave_out<T>(shared.ut.view(), in.delta[i]);
    const Svd<T> own = thin_svd<T>(
        in.delta[i], {.most = size.own, .element_error = in.element_error[i] + rounding});
    own_ranks.push_back(static_cast<double>(own.rank()));
    stack.add(own, own.rank());
  }
  stack.add(shared, shared.rank());
  const double mean = mean_value(stack.values(), in.full_rank());
  const double shared_rank = static_cast<double>(shared.rank());
  shared = {};
  stack.orthogonalise();
  compose_isotropic<T>(stack.left(), stack.right(), mean, out);
  return {
      {"common_rank", {shared_rank}}, {"task_ranks", own_ranks}, {"mean_singular_value", {mean}}};
}

template <class T>
std::vector<Fact> merge(MatrixDeltas<T>& in, MatrixView<T> out) {
  return in.settings.choice("mode") == "common" ? common<T>(in, out) : common_and_task<T>(in, out);
}

template <class T>
std::unique_ptr<Merger<T>> make(MergeGroup group) {
  return merge_matrices<T>(std::move(group), merge<T>);
}

std::uint64_t workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t /*tasks*/,
                        const Settings& settings) {
  const std::uint64_t all = std::min(rows, cols);
  const std::uint64_t svd = svd_workspace(rows, cols, all, sizeof(float));
  if (settings.choice("mode") == "common") return svd;
  const std::uint64_t vectors = sizeof(float) * all * (rows + cols);
  return 2 * vectors + svd;  // the common space's, the stack, and a decomposition
}

Outline outline(const MergeTensor& tensor) { return matrix_outline(tensor, false, workspace); }

}  // namespace

extern const Descriptor isotropic;
const Descriptor isotropic = {
    .name = "isotropic",
    .title = "Isotropic merging (Iso-C, Iso-CTS)",
    .summary =
        "Adds up the task vectors of a matrix and makes all singular values of the sum equal, so "
        "that directions of single tasks are not drowned by the common ones.",
    .formula =
        "d_i = w_i (x_i - b);  sum_i d_i = U S V^T;  y = b + lambda mean(S) U V^T;  "
        "common_task: U, V = orthogonalised [top directions of the sum, top directions of each d_i "
        "outside of them];  no matrix: y = b + lambda mean_i d_i",
    .paper = "Marczak et al. 2025, No task left behind, arXiv 2502.04959; as FusionBench",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = matrix_parameters(
        {{.name = "mode",
          .summary = "common: the sum's directions alone (Iso-C); common_task: the last of them "
                     "make room for directions of each task (Iso-CTS).",
          .type = ParameterType::choice,
          .fallback = Value{"common"},
          .choices = {"common", "common_task"}},
         {.name = "common_space_fraction",
          .summary = "common_task: share of all directions that is kept for the sum's.",
          .fallback = Value{0.8},
          .low = 0,
          .high = 1}}),
    .blas = true,
    .outline = outline,
    .make_f32 = make<float>,
    .make_f64 = make<double>,
};

}  // namespace merganser::methods
