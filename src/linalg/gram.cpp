#include "linalg/gram.h"

#include <algorithm>
#include <cassert>
#include <type_traits>

#include "kernels/blend.h"
#include "kernels/convert.h"
#include "linalg/fortran.h"
#include "linalg/multiply.h"

namespace merganser {
namespace {

using fortran::integer;

// Rows or columns that are widened at once: enough for BLAS to run at full speed.
constexpr std::size_t kPanel = 512;

void widen_row(const float* from, double* to, std::size_t n) {
  widen(DType::f32, reinterpret_cast<const std::byte*>(from), to, n);
}

void widen_row(const double* from, double* to, std::size_t n) { std::copy_n(from, n, to); }

// act(panel, first): the rows (side right) or columns (side left) of a from `first` on, in f64. An
// f64 matrix is one panel, in its place, unless the panels are to be copies.
template <class T, class Act>
void each_panel(MatrixView<const T> a, Side side, bool copies, Act act) {
  const std::size_t all = side == Side::right ? a.rows : a.cols;
  if constexpr (std::is_same_v<T, double>) {
    if (!copies && all > 0) return act(a, std::size_t{0});
  }
  Matrix<double> scratch;
  for (std::size_t first = 0; first < all; first += kPanel) {
    const std::size_t count = std::min(kPanel, all - first);
    const auto part = side == Side::right ? a.row_block(first, count) : a.col_block(first, count);
    if (first == 0) scratch = Matrix<double>(part.rows, part.cols);
    const MatrixView<double> copy = matrix_view(scratch.data(), part.rows, part.cols);
    for (std::size_t r = 0; r < part.rows; ++r) widen_row(part.row(r), copy.row(r), part.cols);
    act(copy, first);
  }
}

void store(std::span<const double> scale, MatrixView<double> from, MatrixView<float> to) {
  for (std::size_t r = 0; r < from.rows; ++r) {
    if (!scale.empty()) merganser::scale<double>(scale[r], from.row(r), from.row(r), from.cols);
    narrow(from.row(r), DType::f32, reinterpret_cast<std::byte*>(to.row(r)), from.cols);
  }
}

}  // namespace

template <class T>
void add_gram(MatrixView<const T> a, Side side, double factor, MatrixView<double> g) {
  const std::size_t n = side == Side::right ? a.cols : a.rows;
  assert(g.rows == n && g.cols == n);
  if (a.empty()) return;
  each_panel<T>(a, side, false, [&](MatrixView<const double> panel, std::size_t) {
    // To Fortran, which sees the transpose p^T of the panel, p^T p is "NoTrans" and the part above
    // our diagonal is the lower one.
    const char lower = 'L', trans = side == Side::right ? 'N' : 'T';
    const int order = integer(n), ld = integer(panel.stride), ldg = integer(g.stride);
    const int inner = integer(side == Side::right ? panel.rows : panel.cols);
    const double one = 1;
    dsyrk_(&lower, &trans, &order, &inner, &factor, panel.data, &ld, &one, g.data, &ldg, 1, 1);
  });
}

template <class T>
Matrix<double> gram(MatrixView<const T> a, Side side) {
  const std::size_t n = side == Side::right ? a.cols : a.rows;
  Matrix<double> g(n, n);
  fill<double>(g.view(), 0);
  add_gram<T>(a, side, 1, g.view());
  return g;
}

template <class T, class R>
void images(MatrixView<const T> a, Side side, MatrixView<const double> v,
            std::span<const double> scale, MatrixView<R> out) {
  assert(v.cols == (side == Side::right ? a.cols : a.rows) && out.rows == v.rows);
  const Transposed op = side == Side::right ? Transposed::yes : Transposed::no;
  Matrix<double> product;
  const bool in_place = static_cast<const void*>(a.data) == static_cast<const void*>(out.data);
  assert(!in_place || side == Side::left);
  each_panel<T>(a, side, in_place, [&](MatrixView<const double> panel, std::size_t first) {
    const std::size_t count = side == Side::right ? panel.rows : panel.cols;
    const MatrixView<R> target = out.col_block(first, count);
    if constexpr (std::is_same_v<R, double>) {
      multiply<double>(1, v, Transposed::no, panel, op, 0, target);
      if (scale.empty()) return;
      for (std::size_t r = 0; r < target.rows; ++r) {
        merganser::scale<double>(scale[r], target.row(r), target.row(r), count);
      }
    } else {
      if (product.rows() * product.cols() < v.rows * count) product = Matrix<double>(v.rows, count);
      const MatrixView<double> wide = matrix_view(product.data(), v.rows, count);
      multiply<double>(1, v, Transposed::no, panel, op, 0, wide);
      store(scale, wide, target);
    }
  });
}

template void add_gram(MatrixView<const float>, Side, double, MatrixView<double>);
template void add_gram(MatrixView<const double>, Side, double, MatrixView<double>);
template Matrix<double> gram(MatrixView<const float>, Side);
template Matrix<double> gram(MatrixView<const double>, Side);
template void images(MatrixView<const float>, Side, MatrixView<const double>,
                     std::span<const double>, MatrixView<float>);
template void images(MatrixView<const float>, Side, MatrixView<const double>,
                     std::span<const double>, MatrixView<double>);
template void images(MatrixView<const double>, Side, MatrixView<const double>,
                     std::span<const double>, MatrixView<float>);
template void images(MatrixView<const double>, Side, MatrixView<const double>,
                     std::span<const double>, MatrixView<double>);

}  // namespace merganser
