#include "linalg/multiply.h"

#include <algorithm>
#include <cassert>

#include "kernels/blend.h"
#include "kernels/reduce.h"
#include "linalg/fortran.h"

namespace merganser {

using fortran::integer;

template <class T>
void multiply(T alpha, MatrixView<const T> a, Transposed op_a, MatrixView<const T> b,
              Transposed op_b, T beta, MatrixView<T> c) {
  const bool ta = op_a == Transposed::yes, tb = op_b == Transposed::yes;
  const std::size_t inner = ta ? a.rows : a.cols;
  assert(c.rows == (ta ? a.cols : a.rows) && c.cols == (tb ? b.rows : b.cols) &&
         inner == (tb ? b.cols : b.rows));
  if (c.empty()) return;
  if (inner == 0) {
    for (std::size_t r = 0; r < c.rows; ++r) {
      for (std::size_t i = 0; i < c.cols; ++i) c(r, i) = beta == 0 ? 0 : beta * c(r, i);
    }
    return;
  }
  // Fortran sees the transposes: c^T = op(b)^T op(a)^T.
  fortran::gemm(tb ? 'T' : 'N', ta ? 'T' : 'N', integer(c.cols), integer(c.rows), integer(inner),
                alpha, b.data, integer(b.stride), a.data, integer(a.stride), beta, c.data,
                integer(c.stride));
}

template <class T>
void compose(MatrixView<const T> left, std::span<const double> s, MatrixView<T> right,
             MatrixView<T> out) {
  for (std::size_t r = 0; r < right.rows; ++r) {
    scale<T>(static_cast<T>(s[r]), right.row(r), right.row(r), right.cols);
  }
  multiply<T>(1, left, Transposed::yes, right, Transposed::no, 0, out);
}

template <class T>
double squared_norm(MatrixView<const T> a) {
  double sum = 0;
  for (std::size_t r = 0; r < a.rows; ++r) sum += dot<T>(a.row(r), a.row(r), a.cols);
  return sum;
}

template <class T>
void fill(MatrixView<T> a, T value) {
  for (std::size_t r = 0; r < a.rows; ++r) std::fill_n(a.row(r), a.cols, value);
}

void mirror(MatrixView<double> a) {
  assert(a.rows == a.cols);
  constexpr std::size_t kTile = 64;  // both tiles stay in the first cache
  for (std::size_t r0 = 0; r0 < a.rows; r0 += kTile) {
    for (std::size_t c0 = 0; c0 <= r0; c0 += kTile) {
      for (std::size_t r = r0; r < std::min(a.rows, r0 + kTile); ++r) {
        for (std::size_t c = c0; c < std::min(r, c0 + kTile); ++c) a(r, c) = a(c, r);
      }
    }
  }
}

#define MERGANSER_INSTANCE(T)                                                                    \
  template void multiply(T, MatrixView<const T>, Transposed, MatrixView<const T>, Transposed, T, \
                         MatrixView<T>);                                                         \
  template void compose(MatrixView<const T>, std::span<const double>, MatrixView<T>,             \
                        MatrixView<T>);                                                          \
  template double squared_norm(MatrixView<const T>);                                             \
  template void fill(MatrixView<T>, T);
MERGANSER_INSTANCE(float)
MERGANSER_INSTANCE(double)
#undef MERGANSER_INSTANCE

}  // namespace merganser
