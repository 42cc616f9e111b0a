// Core space merging (Panariello et al. 2025): adapters are merged in the small space that all of
// them together span, without loss.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/blend.h"
#include "linalg/multiply.h"
#include "linalg/svd.h"
#include "methods/parts/dense_ties.h"
#include "methods/parts/matrix_merge.h"
#include "methods/parts/spectral_merge.h"

namespace merganser::methods {
namespace {

// d_i = B_i A_i with the singular values shared out evenly: B_i = U_i S_i^1/2, A_i = S_i^1/2 V_i^T.
// The rows of both are put below those of the tasks before.
template <class T>
void stack_factors(const Svd<T>& svd, std::size_t first, Matrix<T>& left, Matrix<T>& right) {
  for (std::size_t r = 0; r < svd.rank(); ++r) {
    const T root = static_cast<T>(std::sqrt(svd.s[r]));
    scale<T>(root, svd.ut.row(r), left.row(first + r), left.cols());
    scale<T>(root, svd.vt.row(r), right.row(first + r), right.cols());
  }
}

// The space that the rows span: k x n, orthonormal.
template <class T>
Matrix<T> basis_of(const Matrix<T>& rows) {
  return thin_svd<T>(rows.view()).vt;
}

// left d right^T of d = ut^T S vt
template <class T>
Matrix<T> core_of(const Svd<T>& svd, const Matrix<T>& left, const Matrix<T>& right) {
  Matrix<T> a(left.rows(), svd.rank()), b(svd.rank(), right.rows());
  Matrix<T> core(left.rows(), right.rows());
  multiply<T>(1, left.view(), Transposed::no, svd.ut.view(), Transposed::yes, 0, a.view());
  multiply<T>(1, svd.vt.view(), Transposed::no, right.view(), Transposed::yes, 0, b.view());
  for (std::size_t r = 0; r < svd.rank(); ++r) {
    scale<T>(static_cast<T>(svd.s[r]), b.row(r), b.row(r), b.cols());
  }
  multiply<T>(1, a.view(), Transposed::no, b.view(), Transposed::no, 0, core.view());
  return core;
}

template <class T>
void merge_cores(std::vector<Matrix<T>>& cores, const MatrixDeltas<T>& in, MatrixView<T> out) {
  const std::string& how = in.settings.choice("merge");
  MatrixDeltas<T> core{{}, in.element_error, in.settings};
  for (Matrix<T>& one : cores) core.delta.push_back(one.view());
  if (how == "isotropic") {
    merge_isotropic<T>(core, out);
  } else if (how == "tsv") {
    merge_task_directions<T>(core, directions_of_task(core.full_rank(), core.tasks()), out);
  } else if (how == "ties") {
    std::vector<T*> all;
    for (Matrix<T>& one : cores) all.push_back(one.data());
    merge_dense_ties<T>(all, in.settings.numbers("density"), out.data, out.rows * out.cols);
  } else {
    core.sum_into(out);
  }
}

template <class T>
std::vector<Fact> merge_mean(const MatrixDeltas<T>& in, const std::vector<double>& ranks,
                             MatrixView<T> out) {
  in.sum_into(out);
  const T share = static_cast<T>(1 / static_cast<double>(in.tasks()));
  scale<T>(share, out.data, out.data, out.rows * out.cols);
  return {{"ranks", ranks}};
}

template <class T>
std::vector<Fact> merge(MatrixDeltas<T>& in, MatrixView<T> out) {
  const auto wanted = static_cast<std::size_t>(in.settings.number("rank"));
  const std::string& rule = in.settings.choice("full_rank");
  std::vector<Svd<T>> tasks;
  std::vector<double> ranks;
  std::size_t all = 0;
  for (std::size_t i = 0; i < in.tasks(); ++i) {
    const std::size_t most = wanted == 0 ? in.full_rank() : wanted;
    tasks.push_back(thin_svd<T>(in.delta[i], {.most = most, .element_error = in.element_error[i]}));
    all += tasks.back().rank();
    ranks.push_back(static_cast<double>(tasks.back().rank()));
  }
  if (all >= in.full_rank() && rule == "mean") return merge_mean(in, ranks, out);
  if (all >= in.full_rank() && rule == "error") {
    throw Error(ErrorKind::unsupported,
                fmt::format("core_space: the task vectors have {} directions together, as many as "
                            "the matrix: there is no smaller space to merge in",
                            all))
        .hint("give the adapters' rank, or full_rank: exact or mean");
  }
  Matrix<T> left_rows(all, in.rows()), right_rows(all, in.cols());
  std::size_t first = 0;
  for (const Svd<T>& svd : tasks) {
    stack_factors(svd, first, left_rows, right_rows);
    first += svd.rank();
  }
  const Matrix<T> left = basis_of(left_rows), right = basis_of(right_rows);
  left_rows = {};
  right_rows = {};
  std::vector<Matrix<T>> cores;
  for (Svd<T>& svd : tasks) {
    cores.push_back(core_of(svd, left, right));
    svd = {};
  }
  Matrix<T> merged(left.rows(), right.rows()), half(left.rows(), in.cols());
  if (!merged.empty()) merge_cores(cores, in, merged.view());
  multiply<T>(1, merged.view(), Transposed::no, right.view(), Transposed::no, 0, half.view());
  multiply<T>(1, left.view(), Transposed::yes, half.view(), Transposed::no, 0, out);
  return {{"ranks", ranks},
          {"core_size", {static_cast<double>(left.rows()), static_cast<double>(right.rows())}}};
}

template <class T>
std::unique_ptr<Merger<T>> make(MergeGroup group) {
  return merge_matrices<T>(std::move(group), merge<T>);
}

std::uint64_t workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t tasks,
                        const Settings& settings) {
  const std::uint64_t full = std::min(rows, cols);
  const auto wanted = static_cast<std::uint64_t>(settings.number("rank"));
  const std::uint64_t rank = wanted == 0 ? full : std::min(full, wanted);
  // The tasks' vectors and the stacks of them, both bases and the cores; beside them a
  // decomposition of a task, or of a stack.
  const std::uint64_t vectors = sizeof(float) * tasks * rank * (rows + cols);
  const std::uint64_t core = std::min(full, tasks * rank);
  const std::uint64_t bases = sizeof(float) * core * (2 * rows + 2 * cols + (tasks + 1) * core);
  return 2 * vectors + bases +
         std::max(svd_workspace(rows, cols, rank, sizeof(float)),
                  svd_workspace(tasks * rank, std::max(rows, cols), core, sizeof(float)));
}

Outline outline(const MergeTensor& tensor) { return matrix_outline(tensor, false, workspace); }

}  // namespace

extern const Descriptor core_space;
const Descriptor core_space = {
    .name = "core_space",
    .title = "Core space merging",
    .summary =
        "Merges adapters (differences of low rank) in the small space that they span together; "
        "there every method costs little and means are over directions that exist.",
    .formula =
        "d_i = w_i (x_i - b) = B_i A_i;  L, R: orthonormal bases of [B_1 .. B_T] and [A_1; ..; "
        "A_T];  M_i = L^T d_i R;  y = b + lambda L m(M_1 .. M_T) R^T;  no matrix: y = b + lambda "
        "mean_i d_i",
    .paper =
        "Panariello et al. 2025, Accurate and efficient low-rank model merging in core space, "
        "arXiv "
        "2509.17786",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = matrix_parameters(
        {{.name = "merge",
          .summary =
              "How the M_i are merged: as the method isotropic, as tsv, by TIES, or by adding "
              "them up (which is task arithmetic).",
          .type = ParameterType::choice,
          .fallback = Value{"isotropic"},
          .choices = {"isotropic", "tsv", "ties", "task_arithmetic"}},
         {.name = "density",
          .summary = "ties: share of the entries of M_i that is kept, those of largest magnitude.",
          .scope = ParameterScope::per_input,
          .fallback = Value{0.2},
          .low = 0,
          .high = 1},
         {.name = "rank",
          .summary =
              "Directions kept of each difference, the adapter's rank; 0: all there are. "
              "Adapters that were added to 16-bit weights need it, since rounding made their "
              "difference full.",
          .fallback = Value{0.0},
          .low = 0,
          .high = 1e6,
          .integer = true},
         {.name = "full_rank",
          .summary =
              "Where the differences together span the whole matrix: merge there all the same "
              "(exact), take their mean, or stop.",
          .type = ParameterType::choice,
          .fallback = Value{"exact"},
          .choices = {"exact", "mean", "error"}}}),
    .blas = true,
    .outline = outline,
    .make_f32 = make<float>,
    .make_f64 = make<double>,
};

}  // namespace merganser::methods
