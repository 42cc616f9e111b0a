#include "linalg/cholesky.h"

#include <cassert>

#include "linalg/fortran.h"

namespace merganser {
namespace {

void trsm(int m, int n, const float* a, int lda, float* b, int ldb) {
  const float one = 1;
  strsm_("R", "L", "T", "N", &m, &n, &one, a, &lda, b, &ldb, 1, 1, 1, 1);
}

void trsm(int m, int n, const double* a, int lda, double* b, int ldb) {
  const double one = 1;
  dtrsm_("R", "L", "T", "N", &m, &n, &one, a, &lda, b, &ldb, 1, 1, 1, 1);
}

}  // namespace

bool cholesky(MatrixView<double> a) {
  assert(a.rows == a.cols);
  if (a.rows == 0) return true;
  const int n = fortran::square_integer(a.rows), ld = fortran::integer(a.stride);
  int info = 0;
  // To Fortran, which sees the transpose, R is the lower factor L of a = L L^T.
  dpotrf_("L", &n, a.data, &ld, &info, 1);
  if (info < 0) fortran::check(info, "dpotrf");
  return info == 0;
}

template <class T>
void solve_transposed(MatrixView<const T> r, MatrixView<T> b) {
  assert(r.rows == r.cols && r.rows == b.rows);
  if (b.empty()) return;
  // Fortran sees b^T, and y^T L^T = b^T.
  trsm(fortran::integer(b.cols), fortran::integer(b.rows), r.data, fortran::integer(r.stride),
       b.data, fortran::integer(b.stride));
}

template void solve_transposed(MatrixView<const float>, MatrixView<float>);
template void solve_transposed(MatrixView<const double>, MatrixView<double>);

}  // namespace merganser
