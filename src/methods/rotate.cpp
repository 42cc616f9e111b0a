// Orthogonal Procrustes (Schoenemann 1966): one model's matrices, turned towards another's.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/blend.h"
#include "linalg/multiply.h"
#include "linalg/orthogonal_power.h"
#include "linalg/qr.h"
#include "linalg/svd.h"
#include "method/descriptor.h"

namespace merganser::methods {
namespace {

struct MatrixShape {
  std::size_t rows = 0, cols = 0;
};

// As sd-mecha lays tensors out: a convolution's kernels are rows, other tensors' first axis is.
MatrixShape matrix_shape(const Shape& shape) {
  std::size_t all = 1;
  for (const std::uint64_t axis : shape) all *= static_cast<std::size_t>(axis);
  if (shape.size() < 2 || all == 0) return {};
  std::size_t rows = static_cast<std::size_t>(shape[0]);
  if (shape.size() == 4 && shape[2] * shape[3] != 1) rows *= static_cast<std::size_t>(shape[1]);
  return {rows, all / rows};
}

// The means of the columns, times a factor, which are taken from x.
std::vector<double> centre(MatrixView<double> x, double factor) {
  std::vector<double> mean(x.cols);
  for (std::size_t r = 0; r < x.rows; ++r) {
    for (std::size_t c = 0; c < x.cols; ++c) mean[c] += x(r, c);
  }
  for (double& m : mean) m *= factor / static_cast<double>(x.rows);
  for (std::size_t r = 0; r < x.rows; ++r) {
    for (std::size_t c = 0; c < x.cols; ++c) x(r, c) -= mean[c];
  }
  return mean;
}

Matrix<double> product(MatrixView<const double> a, Transposed ta, MatrixView<const double> b,
                       Transposed tb) {
  Matrix<double> c(ta == Transposed::yes ? a.cols : a.rows,
                   tb == Transposed::yes ? b.rows : b.cols);
  multiply<double>(1, a, ta, b, tb, 0, c.view());
  return c;
}

// The orthogonal r that brings a r nearest to b. Where a and b leave it open it does as little as
// possible: it takes what a^T b does not span on one side to the nearest on the other. `proper`
// leaves reflections out: then the weakest direction changes its sign.
Matrix<double> procrustes(MatrixView<const double> a, MatrixView<const double> b, bool proper) {
  // Square, so that all directions are there, those of no singular value too.
  Svd<double> svd = lapack_svd(product(a, Transposed::yes, b, Transposed::no));
  const std::size_t n = svd.ut.rows();
  const double noise = static_cast<double>(n) * std::numeric_limits<double>::epsilon() * svd.s[0];
  std::size_t rank = n;
  while (rank > 0 && svd.s[rank - 1] <= noise) --rank;
  if (rank < n) {
    const MatrixView<double> left = svd.ut.view().row_block(rank, n - rank);
    const MatrixView<double> right = svd.vt.view().row_block(rank, n - rank);
    const Svd<double> pairs = lapack_svd(product(left, Transposed::no, right, Transposed::yes));
    const Matrix<double> paired_left =
        product(pairs.ut.view(), Transposed::no, left, Transposed::no);
    const Matrix<double> paired_right =
        product(pairs.vt.view(), Transposed::no, right, Transposed::no);
    std::copy_n(paired_left.data(), (n - rank) * n, left.data);
    std::copy_n(paired_right.data(), (n - rank) * n, right.data);
  }
  Matrix<double> r = product(svd.ut.view(), Transposed::yes, svd.vt.view(), Transposed::no);
  if (!proper) return r;
  Matrix<double> copy(n, n);
  std::copy_n(r.data(), n * n, copy.data());
  if (determinant_sign(std::move(copy)) >= 0) return r;
  const double *u = svd.ut.row(n - 1), *v = svd.vt.row(n - 1);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) r(i, j) -= 2 * u[i] * v[j];
  }
  return r;
}

struct Wish {
  double alignment, alpha, centralization;

  explicit Wish(const Settings& settings)
      : alignment(settings.number("alignment")),
        alpha(settings.number("alpha")),
        centralization(settings.number("centralization")) {}
};

// a becomes the rotated matrix; b is scratch.
void rotate_matrix(MatrixView<double> a, MatrixView<double> b, const Wish& wish) {
  const std::vector<double> mean_a = centre(a, wish.centralization);
  const std::vector<double> mean_b = centre(b, wish.centralization);
  // Of few rows everything happens in the space that they span, of at most twice as many axes.
  Matrix<double> basis;
  Matrix<double> inside_a, inside_b;
  MatrixView<double> x = a, y = b;
  if (2 * a.rows < a.cols) {
    basis = Matrix<double>(2 * a.rows, a.cols);
    std::copy_n(a.data, a.rows * a.cols, basis.data());
    std::copy_n(b.data, b.rows * b.cols, basis.row(a.rows));
    orthonormalise_rows(basis.view());
    inside_a = product(a, Transposed::no, basis.view(), Transposed::yes);
    inside_b = product(b, Transposed::no, basis.view(), Transposed::yes);
    x = inside_a.view();
    y = inside_b.view();
  }
  const bool whole = wish.alignment == 1, none = wish.alignment == 0;
  Matrix<double> r = procrustes(x, y, !whole && !none);
  if (wish.alpha != 0) {
    const Matrix<double> back = product(y, Transposed::no, r.view(), Transposed::yes);
    for (std::size_t i = 0; i < x.rows * x.cols; ++i) {
      x.data[i] += wish.alpha * (back.data()[i] - x.data[i]);
    }
  }
  if (!none) {
    if (!whole) r = orthogonal_power(std::move(r), wish.alignment);
    const Matrix<double> turned = product(x, Transposed::no, r.view(), Transposed::no);
    std::copy_n(turned.data(), x.rows * x.cols, x.data);
  }
  if (!basis.empty()) {
    multiply<double>(1, x, Transposed::no, basis.view(), Transposed::no, 0, a);
  }
  for (std::size_t row = 0; row < a.rows; ++row) {
    for (std::size_t c = 0; c < a.cols; ++c) {
      a(row, c) += mean_a[c] + wish.alignment * (mean_b[c] - mean_a[c]);
    }
  }
}

template <class T>
class Rotate final : public Merger<T> {
 public:
  explicit Rotate(MergeGroup group) {
    for (const MergeTensor& tensor : group.tensors) {
      tensors_.push_back({matrix_shape(tensor.shape), Wish(tensor.settings)});
    }
  }

  void write(const Block<T>& block, Cursor*, T* out) const override {
    const auto& [shape, wish] = tensors_[block.tensor];
    if (shape.rows == 0) {
      const T factor = static_cast<T>(wish.alpha);
      scale<T>(1 - factor, block.base, out, block.size);
      add_scaled<T>(factor, block.inputs[0], out, block.size);
      return;
    }
    Matrix<double> a(shape.rows, shape.cols), b(shape.rows, shape.cols);
    std::copy_n(block.base, block.size, a.data());
    std::copy_n(block.inputs[0], block.size, b.data());
    rotate_matrix(a.view(), b.view(), wish);
    for (std::size_t i = 0; i < block.size; ++i) out[i] = static_cast<T>(a.data()[i]);
  }

 private:
  struct Tensor {
    MatrixShape shape;
    Wish wish;
  };
  std::vector<Tensor> tensors_;
};

Outline outline(const MergeTensor& tensor) {
  const Wish wish(tensor.settings);
  const MatrixShape shape = matrix_shape(tensor.shape);
  const bool matrix = shape.rows != 0;
  if (wish.alpha == 0 && (wish.alignment == 0 || !matrix)) {
    return Outline::copy_of(Outline::kCopyBase, 1, "nothing is moved: the base is copied");
  }
  if (wish.alpha == 1 && (wish.alignment == 1 || !matrix)) {
    return Outline::copy_of(0, 1, "all the way: the model is copied");
  }
  Outline outline = Outline::of_all(1, 1);
  if (!matrix) return outline;
  outline.unit = Unit::tensor;
  const std::uint64_t axes = std::min(2 * shape.rows, shape.cols);
  // Both matrices, their coordinates and one more of each; the rotation and its decomposition.
  outline.workspace = 8 * (5 * std::uint64_t{shape.rows} * shape.cols + 8 * axes * axes) +
                      svd_workspace(axes, axes, axes, sizeof(double));
  return outline;
}

}  // namespace

extern const Descriptor rotate;
const Descriptor rotate = {
    .name = "rotate",
    .title = "Rotation (orthogonal Procrustes)",
    .summary =
        "Turns the base's matrices towards another model's by the best rotation of their columns, "
        "or a part of the way.",
    .formula =
        "A, B minus centralization times their columns' means;  R = argmin |A R - B|, R^T R = I;  "
        "y = ((1-alpha) A + alpha B R^T) R^alignment + mean;  no matrix: (1-alpha) a + alpha b",
    .paper =
        "Schoenemann 1966, A generalized solution of the orthogonal Procrustes problem; "
        "sd-mecha, rotate",
    .space = InputSpace::weights,
    .base = BaseRole::required,
    .min_inputs = 1,
    .max_inputs = 1,
    .parameters =
        {{.name = "alignment",
          .summary = "How far to turn: 0 not at all, 1 all the way; between them a part of every "
                     "angle (reflections are then left out).",
          .fallback = Value{1.0},
          .low = 0,
          .high = 1},
         {.name = "alpha",
          .summary = "Share of the other model in what a rotation does not change.",
          .fallback = Value{0.0}},
         {.name = "centralization",
          .summary = "How much of the columns' means is set aside before the rotation is found.",
          .fallback = Value{1.0}}},
    .blas = true,
    .outline = outline,
    .make_f32 = make_merger<Rotate, float>,
    .make_f64 = make_merger<Rotate, double>,
};

}  // namespace merganser::methods
