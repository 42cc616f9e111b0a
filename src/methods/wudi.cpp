// WUDI (Cheng et al. 2025): the merged difference that interferes least with each task's own, in
// the directions which that task's difference reacts to; found with Adam.
//
// The loss sum_i |(t - d_i) d_i^T|^2 / |d_i|^2 is quadratic in t: its gradient is 2 (t M - C) with
// M = sum_i d_i^T d_i / |d_i|^2 and C = sum_i d_i d_i^T d_i / |d_i|^2. Both are computed once, so
// an iteration is one product, whatever the number of tasks. M is kept as n x n, or, where that is
// cheaper, as W^T W with few rows: those of low-rank differences, or of differences that are wide.
#include <algorithm>
#include <cmath>
#include <optional>

#include "kernels/adam.h"
#include "kernels/blend.h"
#include "kernels/reduce.h"
#include "linalg/gram.h"
#include "linalg/low_rank.h"
#include "linalg/multiply.h"
#include "methods/parts/matrix_merge.h"

namespace merganser::methods {
namespace {

template <class T>
double product_sum(MatrixView<const T> a, MatrixView<const T> b) {
  double sum = 0;
  for (std::size_t r = 0; r < a.rows; ++r) sum += dot<T>(a.row(r), b.row(r), a.cols);
  return sum;
}

template <class T>
Matrix<T> rounded(const Matrix<double>& a) {
  Matrix<T> b(a.rows(), a.cols());
  std::copy_n(a.data(), a.rows() * a.cols(), b.data());
  return b;
}

// c += factor d d^T d, through the smaller of d d^T and d^T d.
template <class T>
void add_cube(MatrixView<const T> d, double factor, MatrixView<T> c) {
  const Side side = d.rows <= d.cols ? Side::left : Side::right;
  Matrix<double> squares = gram<T>(d, side);
  mirror(squares.view());
  const Matrix<T> inner = rounded<T>(squares);
  if (side == Side::left) {
    multiply<T>(static_cast<T>(factor), inner.view(), Transposed::no, d, Transposed::no, 1, c);
  } else {
    multiply<T>(static_cast<T>(factor), d, Transposed::no, inner.view(), Transposed::no, 1, c);
  }
}

// M of the loss, as it is multiplied with cheapest.
template <class T>
class Quadratic {
 public:
  explicit Quadratic(const MatrixDeltas<T>& in) {
    std::vector<Matrix<double>> low;  // d_i^T d_i = low_i^T low_i
    std::size_t rows = 0;
    const std::size_t limit = in.full_rank() / 4;
    for (std::size_t i = 0; i < in.tasks(); ++i) {
      // Where one has a high rank, the others' low ones save nothing.
      if (low.size() < i) break;
      if (auto found = low_rank_factor<T>(in.delta[i], {limit, in.element_error[i]})) {
        rows += found->coordinates.rows();
        low.push_back(std::move(found->coordinates));
      }
    }
    if (low.size() == in.tasks() && 2 * rows < in.cols()) {
      stack(in, rows, [&](std::size_t i) { return rounded<T>(low[i]); });
    } else if (2 * in.tasks() * in.rows() < in.cols()) {
      stack(in, in.tasks() * in.rows(), [&](std::size_t i) {
        Matrix<T> copy(in.rows(), in.cols());
        std::copy_n(in.delta[i].data, in.rows() * in.cols(), copy.data());
        return copy;
      });
    } else {
      Matrix<double> whole(in.cols(), in.cols());
      fill<double>(whole.view(), 0);
      for (const MatrixView<T>& d : in.delta) {
        const double size = squared_norm<T>(d);
        if (size > 0) add_gram<T>(d, Side::right, 1 / size, whole.view());
      }
      mirror(whole.view());
      whole_ = rounded<T>(whole);
    }
  }

  // out = t M
  void apply(MatrixView<const T> t, MatrixView<T> out) {
    if (!whole_.empty()) {
      multiply<T>(1, t, Transposed::no, whole_.view(), Transposed::no, 0, out);
      return;
    }
    if (middle_.rows() != t.rows) middle_ = Matrix<T>(t.rows, factor_.rows());
    multiply<T>(1, t, Transposed::no, factor_.view(), Transposed::yes, 0, middle_.view());
    multiply<T>(1, middle_.view(), Transposed::no, factor_.view(), Transposed::no, 0, out);
  }

  // Rows of W, or of M.
  std::size_t rank_bound() const { return whole_.empty() ? factor_.rows() : whole_.rows(); }

 private:
  template <class Factor>
  void stack(const MatrixDeltas<T>& in, std::size_t rows, Factor factor) {
    factor_ = Matrix<T>(rows, in.cols());
    std::size_t first = 0;
    for (std::size_t i = 0; i < in.tasks(); ++i) {
      const double size = squared_norm<T>(in.delta[i]);
      const Matrix<T> part = factor(i);
      const T inverse = static_cast<T>(size > 0 ? 1 / std::sqrt(size) : 0);
      for (std::size_t r = 0; r < part.rows(); ++r) {
        scale<T>(inverse, part.row(r), factor_.row(first + r), in.cols());
      }
      first += part.rows();
    }
  }

  Matrix<T> whole_, factor_, middle_;
};

template <class T>
std::vector<Fact> merge(MatrixDeltas<T>& in, MatrixView<T> out) {
  const auto iterations = static_cast<std::size_t>(in.settings.number("iterations"));
  const double rate = in.settings.number("learning_rate");
  const std::size_t size = in.rows() * in.cols();
  in.sum_into(out);

  // Of a zero difference there is nothing to interfere with: it has no term in the loss.
  Matrix<T> cubes(in.rows(), in.cols()), gradient(in.rows(), in.cols());
  fill<T>(cubes.view(), 0);
  double constant = 0;  // of the loss: sum_i |d_i d_i^T|^2 / |d_i|^2
  for (const MatrixView<T>& d : in.delta) {
    const double norm = squared_norm<T>(d);
    if (norm == 0) continue;
    const double before = product_sum<T>(d, cubes.view());
    add_cube<T>(d, 1 / norm, cubes.view());
    constant += product_sum<T>(d, cubes.view()) - before;
  }
  Quadratic<T> quadratic(in);

  // gradient = 2 (t M - C); returns the loss <t, t M> - 2 <t, C> + constant.
  const auto evaluate = [&](bool want_loss) {
    quadratic.apply(out, gradient.view());
    subtract<T>(gradient.data(), cubes.data(), gradient.data(), size);
    double loss = 0;
    if (want_loss) {
      loss = product_sum<T>(out, gradient.view()) - product_sum<T>(out, cubes.view()) + constant;
    }
    scale<T>(2, gradient.data(), gradient.data(), size);
    return std::max(0.0, loss);
  };

  Matrix<T> m(in.rows(), in.cols()), v(in.rows(), in.cols());
  fill<T>(m.view(), 0);
  fill<T>(v.view(), 0);
  double first_loss = 0;
  for (std::size_t i = 0; i < iterations; ++i) {
    const double loss = evaluate(i == 0);
    if (i == 0) first_loss = loss;
    adam<T>(adam_step<T>(i + 1, rate), gradient.data(), m.data(), v.data(), out.data, size);
  }
  const double last_loss = evaluate(true);
  return {{"loss_before", {iterations == 0 ? last_loss : first_loss}},
          {"loss_after", {last_loss}},
          {"rank_bound", {static_cast<double>(quadratic.rank_bound())}}};
}

template <class T>
std::unique_ptr<Merger<T>> make(MergeGroup group) {
  return merge_matrices<T>(std::move(group), merge<T>);
}

std::uint64_t workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t tasks,
                        const Settings&) {
  // C, the gradient and Adam's two averages; beside them M, in f64 while it is added up, or W, or
  // the product of a difference with itself.
  const std::uint64_t small = std::min(rows, cols);
  const std::uint64_t dense = (sizeof(double) + sizeof(float)) * cols * cols;
  const std::uint64_t factor = sizeof(float) * tasks * rows * (rows + 2 * cols);
  return 4 * sizeof(float) * rows * cols +
         std::max(2 * tasks * rows < cols ? factor : dense,
                  (sizeof(double) + sizeof(float)) * small * small + 4096 * (rows + cols));
}

Outline outline(const MergeTensor& tensor) { return matrix_outline(tensor, true, workspace); }

}  // namespace

extern const Descriptor wudi;
const Descriptor wudi = {
    .name = "wudi",
    .title = "WUDI",
    .summary =
        "Searches the difference whose deviation from each task's own is least seen by the inputs "
        "that the task vector of a matrix reacts to; starts from the sum.",
    .formula =
        "d_i = w_i (x_i - b);  t = argmin sum_i |(t - d_i) d_i^T|^2 / |d_i|^2, by Adam from t = "
        "sum_i d_i;  y = b + lambda t;  no matrix: y = b + lambda mean_i d_i",
    .paper =
        "Cheng et al. 2025, Whoever started the interference should end it, arXiv 2503.08099; as "
        "FusionBench",
    .space = InputSpace::deltas,
    .base = BaseRole::required,
    .parameters =
        matrix_parameters({{.name = "iterations",
                            .summary = "Steps of Adam; 0 leaves the sum as it is.",
                            .fallback = Value{400.0},
                            .low = 0,
                            .high = 1e6,
                            .integer = true},
                           {.name = "learning_rate",
                            .summary = "Of Adam: about how far an element moves in a step.",
                            .fallback = Value{1e-5},
                            .low = 0}}),
    .blas = true,
    .outline = outline,
    .make_f32 = make<float>,
    .make_f64 = make<double>,
};

}  // namespace merganser::methods
