#include "linalg/krylov.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/random.h"
#include "kernels/blend.h"
#include "linalg/blas_info.h"
#include "linalg/gram.h"
#include "linalg/gram_product.h"
#include "linalg/multiply.h"
#include "linalg/qr.h"

namespace merganser {
namespace {

template <class T>
void copy_rows(MatrixView<const T> from, MatrixView<T> to) {
  for (std::size_t r = 0; r < from.rows; ++r) std::copy_n(from.row(r), from.cols, to.row(r));
}

// The rows become orthonormal to each other, in f64: blocks are small beside the matrix.
template <class T>
void orthonormalise(MatrixView<T> x) {
  Matrix<double> wide(x.rows, x.cols);
  for (std::size_t r = 0; r < x.rows; ++r) std::copy_n(x.row(r), x.cols, wide.row(r));
  orthonormalise_rows(wide.view());
  for (std::size_t r = 0; r < x.rows; ++r) std::copy_n(wide.row(r), x.cols, x.row(r));
}

}  // namespace

template <class T>
Operator<T>::Operator(MatrixView<const T> a, double norm)
    : a_(a),
      flipped_(a.rows < a.cols),
      scale_(static_cast<T>(1 / norm)),
      threads_(blas_info().threads) {}

template <class T>
void Operator<T>::apply(MatrixView<const T> x, MatrixView<T> y, MatrixView<T> z) const {
  gram_product<T>(a_, flipped_ ? Side::left : Side::right, scale_, x, y, z, threads_);
}

template <class T>
void fill_normal(MatrixView<T> x, std::uint64_t seed, std::uint64_t stream) {
  const auto low = [](std::uint64_t word) { return static_cast<std::uint32_t>(word); };
  const auto high = [](std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); };
  // Box and Muller: two numbers of two words each.
  for (std::size_t r = 0; r < x.rows; ++r) {
    for (std::size_t c = 0; c < x.cols; c += 4) {
      const auto bits =
          philox({low(c / 4), low(r), low(stream), high(stream)}, {low(seed), high(seed)});
      for (std::size_t half = 0; half < 2; ++half) {
        const double u = (bits[2 * half] + 1.0) * 0x1p-32, v = bits[2 * half + 1] * 0x1p-32;
        const double length = std::sqrt(-2 * std::log(u)), angle = 2 * std::numbers::pi * v;
        if (c + 2 * half < x.cols) x(r, c + 2 * half) = static_cast<T>(length * std::cos(angle));
        if (c + 2 * half + 1 < x.cols) {
          x(r, c + 2 * half + 1) = static_cast<T>(length * std::sin(angle));
        }
      }
    }
  }
}

template <class T>
Basis<T>::Basis(const Operator<T>& a, std::size_t most)
    : a_(a), vectors_(most, a.inner()), images_(most, a.outer()), projected_(most, most) {}

template <class T>
void Basis<T>::project_out(MatrixView<T> x) const {
  if (size_ == 0) return;
  Matrix<T> coefficients(x.rows, size_), inside(x.rows, x.cols);
  gram_product<T>(vectors(), Side::right, 1, x, coefficients.view(), inside.view(), a_.threads());
  for (std::size_t r = 0; r < x.rows; ++r) {
    subtract(x.row(r), inside.row(r), x.row(r), x.cols);
  }
}

template <class T>
bool Basis<T>::orthogonal(MatrixView<const T> x) const {
  if (size_ == 0) return true;
  Matrix<T> coefficients(x.rows, size_);
  multiply<T>(1, x, Transposed::no, vectors(), Transposed::yes, 0, coefficients.view());
  constexpr T kMost = 16 * std::numeric_limits<T>::epsilon();
  return std::all_of(coefficients.data(), coefficients.data() + x.rows * size_,
                     [](T c) { return std::abs(c) < kMost; });
}

template <class T>
void Basis<T>::add(MatrixView<T> x, const Basis* others) {
  if (others != nullptr) others->project_out(x);
  // Directions that were nothing but rounding errors are not orthogonal to the rest at once.
  for (int round = 0; round < 3; ++round) {
    orthonormalise(x);
    if (orthogonal(x) && (others == nullptr || others->orthogonal(x))) break;
    if (others != nullptr) others->project_out(x);
    project_out(x);
    if (round == 2) orthonormalise(x);
  }
  const std::size_t count = x.rows, from = size_;
  const MatrixView<T> added = vectors_.view().row_block(from, count);
  const MatrixView<T> fresh = images_.view().row_block(from, count);
  copy_rows<T>(x, added);
  a_.apply(added, fresh, x);
  size_ += count;
  Matrix<double> wide(count, fresh.cols);
  for (std::size_t r = 0; r < count; ++r) std::copy_n(fresh.row(r), fresh.cols, wide.row(r));
  const MatrixView<double> rows = projected_.view().block(from, 0, count, size_);
  merganser::images<T, double>(images(), Side::right, wide.view(), {}, rows);
}

template <class T>
Matrix<double> Basis<T>::projected() const {
  Matrix<double> whole(size_, size_);
  for (std::size_t r = 0; r < size_; ++r) {
    for (std::size_t c = 0; c <= r; ++c) whole(r, c) = whole(c, r) = projected_(r, c);
  }
  return whole;
}

#define MERGANSER_INSTANCE(T) \
  template class Operator<T>; \
  template class Basis<T>;    \
  template void fill_normal(MatrixView<T>, std::uint64_t, std::uint64_t);
MERGANSER_INSTANCE(float)
MERGANSER_INSTANCE(double)
#undef MERGANSER_INSTANCE

}  // namespace merganser
