#include "linalg/qr.h"

#include <cassert>
#include <vector>

#include "linalg/fortran.h"
#include "linalg/multiply.h"

namespace merganser {

Matrix<double> orthonormalise_rows(MatrixView<double> a) {
  assert(a.rows <= a.cols);
  Matrix<double> lower(a.rows, a.rows);
  fill<double>(lower.view(), 0);
  if (a.empty()) return lower;
  // Fortran sees a^T, whose columns are our rows: a^T = Q R, a = R^T Q^T.
  const int m = fortran::integer(a.cols), n = fortran::integer(a.rows);
  const int ld = fortran::integer(a.stride);
  std::vector<double> tau(a.rows), work(1);
  int info = 0, size = -1;
  const auto grow = [&] {
    work.resize(static_cast<std::size_t>(work[0]));
    size = static_cast<int>(work.size());
  };
  dgeqrf_(&m, &n, a.data, &ld, tau.data(), work.data(), &size, &info);
  grow();
  dgeqrf_(&m, &n, a.data, &ld, tau.data(), work.data(), &size, &info);
  fortran::check(info, "dgeqrf");
  for (std::size_t r = 0; r < a.rows; ++r) {
    for (std::size_t c = 0; c <= r; ++c) lower(r, c) = a(r, c);
  }
  size = -1;
  dorgqr_(&m, &n, &n, a.data, &ld, tau.data(), work.data(), &size, &info);
  grow();
  dorgqr_(&m, &n, &n, a.data, &ld, tau.data(), work.data(), &size, &info);
  fortran::check(info, "dorgqr");
  return lower;
}

int determinant_sign(Matrix<double> a) {
  assert(a.rows() == a.cols());
  if (a.rows() == 0) return 1;
  const int n = fortran::integer(a.rows());
  std::vector<int> pivots(a.rows());
  int info = 0;
  dgetrf_(&n, &n, a.data(), &n, pivots.data(), &info);
  if (info > 0) return 0;
  fortran::check(info, "dgetrf");
  int sign = 1;
  for (std::size_t i = 0; i < a.rows(); ++i) {
    if (pivots[i] != static_cast<int>(i) + 1) sign = -sign;
    if (a(i, i) < 0) sign = -sign;
  }
  return sign;
}

}  // namespace merganser
