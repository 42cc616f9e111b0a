// Singular value calibration: where several tasks push the same way, their sum overshoots; each
// singular direction of the sum is scaled back by how much it does.
#include <algorithm>

#include "kernels/reduce.h"
#include "linalg/multiply.h"
#include "linalg/svd.h"
#include "methods/parts/matrix_merge.h"

namespace merganser::methods {
namespace {

template <class T>
std::vector<Fact> merge(MatrixDeltas<T>& in, MatrixView<T> out) {
  const double alpha = in.settings.number("alpha"), lambda = in.settings.number("lambda");
  const auto tasks = static_cast<double>(in.tasks());
  in.sum_into(out);
  Svd<T> svd = thin_svd<T>(out, {.element_error = in.error_of_sum()});
  // Of direction r and task i: how many times the task's own response u_r^T d_i is contained in the
  // merged one, u_r^T (lambda sum d) = lambda s_r v_r^T.
  std::vector<double> sums(svd.rank(), 0.0);
  Matrix<T> responses(svd.rank(), in.cols());
  for (const MatrixView<T>& delta : in.delta) {
    multiply<T>(1, svd.ut.view(), Transposed::no, delta, Transposed::no, 0, responses.view());
    for (std::size_t r = 0; r < svd.rank(); ++r) {
      const T* response = responses.row(r);
      const double size = dot<T>(response, response, in.cols());
      const double shared = lambda * svd.s[r] * dot<T>(svd.vt.row(r), response, in.cols());
      sums[r] += size > 0 ? std::max(alpha, shared / size) : alpha;
    }
  }
  double smallest = 1, energy = 0, kept = 0;
  std::vector<double> values(svd.s);
  for (std::size_t r = 0; r < svd.rank(); ++r) {
    // alpha = 0 and a direction that all tasks oppose: nothing says how strong it should be.
    const double factor = sums[r] > 0 ? tasks / sums[r] : 1;
    values[r] *= factor;
    smallest = r == 0 ? factor : std::min(smallest, factor);
    energy += svd.s[r] * svd.s[r];
    kept += values[r] * values[r];
  }
  compose<T>(svd.ut.view(), values, svd.vt.view(), out);
  return {{"rank", {static_cast<double>(svd.rank())}},
          {"energy_ratio", {energy > 0 ? kept / energy : 1}},
          {"smallest_factor", {smallest}}};
}

template <class T>
std::unique_ptr<Merger<T>> make(MergeGroup group) {
  return merge_matrices<T>(std::move(group), merge<T>, OtherTensors::sum);
}

std::uint64_t workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t /*tasks*/,
                        const Settings&) {
  const std::uint64_t all = std::min(rows, cols);
  return svd_workspace(rows, cols, all, sizeof(float)) + sizeof(float) * all * cols;
}

Outline outline(const MergeTensor& tensor) { return matrix_outline(tensor, false, workspace); }

}  // namespace

extern const Descriptor svc;
const Descriptor svc = {
    .name = "svc",
    .title = "Singular value calibration (SVC)",
    .summary =
        "Adds up the task vectors of a matrix, and scales those singular directions back in which "
        "the sum overshoots what the tasks want.",
    .formula =
        "d_i = w_i (x_i - b);  D = lambda sum_i d_i = U S V^T;  a_ri = u_r^T d_i;  c_ri = <u_r^T "
        "D, "
        "a_ri> / |a_ri|^2;  g_r = T / sum_i max(alpha, c_ri);  y = b + sum_r g_r s_r u_r v_r^T;  "
        "no "
        "matrix: y = b + D",
    .paper = "When shared knowledge hurts, arXiv 2602.05536; as FusionBench",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters = matrix_parameters(
        {{.name = "alpha",
          .summary =
              "Least c_ri that counts: the smaller, the more a direction that tasks disagree "
              "on is scaled up.",
          .fallback = Value{0.1},
          .low = 0}},
        0.3, OtherTensors::sum),
    .blas = true,
    .outline = outline,
    .make_f32 = make<float>,
    .make_f64 = make<double>,
};

}  // namespace merganser::methods
