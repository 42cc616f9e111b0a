#include "linalg/eigen.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "kernels/blend.h"
#include "linalg/fortran.h"
#include "linalg/multiply.h"

namespace merganser {
namespace {

// a = Q T Q^T with T tridiagonal.
struct Tridiagonal {
  std::vector<double> diagonal, beside, reflectors;
};

void require_finite(const Matrix<double>& a) {
  for (std::size_t r = 0; r < a.rows(); ++r) {
    for (std::size_t c = r; c < a.cols(); ++c) {
      if (!std::isfinite(a(r, c))) {
        throw Error(ErrorKind::unsupported, "a matrix with NaN or infinity cannot be decomposed");
      }
    }
  }
}

// Q stays in `a` as reflectors. Fortran sees a^T: the part above our diagonal is its lower one.
Tridiagonal tridiagonalise(Matrix<double>& a) {
  const int n = fortran::square_integer(a.rows());
  Tridiagonal t;
  t.diagonal.resize(a.rows());
  t.beside.resize(std::max<std::size_t>(1, a.rows() - 1));
  t.reflectors.resize(t.beside.size());
  int info = 0, size = -1;
  double best = 0;
  const auto run = [&](double* work) {
    dsytrd_("L", &n, a.data(), &n, t.diagonal.data(), t.beside.data(), t.reflectors.data(), work,
            &size, &info, 1);
    fortran::check(info, "dsytrd");
  };
  run(&best);
  std::vector<double> work(static_cast<std::size_t>(best));
  size = static_cast<int>(work.size());
  run(work.data());
  return t;
}

// Divide and conquer: the fastest for all vectors, and for a part of them hardly slower than the
// methods that can leave the others out, since those do not run on several threads.
Matrix<double> tridiagonal_vectors(Tridiagonal& t) {
  const std::size_t rows = t.diagonal.size();
  const int n = static_cast<int>(rows);
  Matrix<double> z(rows, rows);
  std::vector<double> work(1 + 4 * rows + rows * rows);
  std::vector<int> integers(3 + 5 * rows);
  const int size = static_cast<int>(work.size()), integer_size = static_cast<int>(integers.size());
  int info = 0;
  dstedc_("I", &n, t.diagonal.data(), t.beside.data(), z.data(), &n, work.data(), &size,
          integers.data(), &integer_size, &info, 1);
  fortran::check(info, "dstedc");
  return z;
}

// rows of z: vectors of T; they become those of a.
void apply_reflectors(const Matrix<double>& a, const Tridiagonal& t, MatrixView<double> z) {
  const int n = static_cast<int>(a.rows()), count = static_cast<int>(z.rows);
  int info = 0, size = -1;
  double best = 0;
  const auto run = [&](double* work) {
    dormtr_("L", "L", "N", &n, &count, a.data(), &n, t.reflectors.data(), z.data, &n, work, &size,
            &info, 1, 1, 1);
    fortran::check(info, "dormtr");
  };
  run(&best);
  std::vector<double> work(static_cast<std::size_t>(best));
  size = static_cast<int>(work.size());
  run(work.data());
}

// Several relatively robust representations (Dhillon and Parlett 2004): O(n) a vector. Of T itself.
std::optional<Eigen> largest_of(const Tridiagonal& t, std::size_t count) {
  const std::size_t rows = t.diagonal.size();
  const int n = static_cast<int>(rows), most = static_cast<int>(count);
  const int first = n - most + 1;
  std::vector<double> diagonal = t.diagonal, beside = t.beside;  // overwritten
  beside.resize(rows);                                           // one more is workspace
  std::vector<double> values(rows), work(18 * rows);
  std::vector<int> support(2 * count), integers(10 * rows);
  const int size = static_cast<int>(work.size()), integer_size = static_cast<int>(integers.size());
  Matrix<double> z(count, rows);
  int found = 0, relative = 1, info = 0;
  const double unused = 0;
  dstemr_("V", "I", &n, diagonal.data(), beside.data(), &unused, &unused, &first, &n, &found,
          values.data(), z.data(), &n, &most, support.data(), &relative, work.data(), &size,
          integers.data(), &integer_size, &info, 1, 1);
  if (info != 0 || found != most) return std::nullopt;
  values.resize(count);
  std::reverse(values.begin(), values.end());  // LAPACK's order is ascending
  for (std::size_t i = 0; i < count / 2; ++i) {
    std::swap_ranges(z.row(i), z.row(i) + rows, z.row(count - 1 - i));
  }
  return Eigen{std::move(values), std::move(z)};
}

// Descending.
std::vector<double> values_of(Tridiagonal t) {
  const int n = static_cast<int>(t.diagonal.size());
  int info = 0;
  dsterf_(&n, t.diagonal.data(), t.beside.data(), &info);
  fortran::check(info, "dsterf");
  std::reverse(t.diagonal.begin(), t.diagonal.end());
  return std::move(t.diagonal);
}

}  // namespace

Eigen symmetric_eigen(Matrix<double> a, EigenRange range) {
  assert(a.rows() == a.cols());
  const std::size_t n = a.rows();
  if (n == 0) return {};
  require_finite(a);
  Tridiagonal t = tridiagonalise(a);
  Matrix<double> z = tridiagonal_vectors(t);
  // LAPACK's order is ascending.
  std::size_t count = std::min(range.most, n);
  while (count > 0 && !(t.diagonal[n - count] > range.above)) --count;
  if (count > 0) apply_reflectors(a, t, z.view().row_block(n - count, count));
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t from = n - 1 - i;
    if (i < from) {
      std::swap_ranges(z.row(i), z.row(i) + n, z.row(from));
    } else if (i > from) {
      break;  // the rest was swapped with the first half
    }
  }
  z.keep_rows(count);
  std::reverse(t.diagonal.begin(), t.diagonal.end());
  return {std::move(t.diagonal), std::move(z)};
}

std::optional<Eigen> largest_eigen(Matrix<double> a, std::size_t count) {
  assert(a.rows() == a.cols() && count <= a.rows());
  if (count == 0) return Eigen{};
  require_finite(a);
  const Tridiagonal t = tridiagonalise(a);
  auto found = largest_of(t, count);
  if (found) apply_reflectors(a, t, found->vectors.view());
  return found;
}

Eigen leading_eigen(Matrix<double> a, const ChooseCount& choose) {
  assert(a.rows() == a.cols());
  const std::size_t n = a.rows();
  if (n == 0) return {};
  require_finite(a);
  Tridiagonal t = tridiagonalise(a);
  std::vector<double> values = values_of(t);
  const std::size_t count = std::min(n, choose(values));
  if (count == 0) return {std::move(values), Matrix<double>(0, n)};
  Matrix<double> vectors(count, n);
  if (auto found = largest_of(t, count)) {
    vectors = std::move(found->vectors);
  } else {
    const Matrix<double> all = tridiagonal_vectors(t);  // ascending
    for (std::size_t i = 0; i < count; ++i) std::copy_n(all.row(n - 1 - i), n, vectors.row(i));
  }
  apply_reflectors(a, t, vectors.view());
  return {std::move(values), std::move(vectors)};
}

std::vector<double> symmetric_eigenvalues(Matrix<double> a) {
  assert(a.rows() == a.cols());
  if (a.rows() == 0) return {};
  require_finite(a);
  return values_of(tridiagonalise(a));
}

Matrix<double> function_of(const Eigen& eigen, double (*f)(double, double), double parameter) {
  const MatrixView<const double> v = eigen.vectors.view();
  assert(v.rows == v.cols);
  Matrix<double> scaled(v.rows, v.cols), result(v.rows, v.cols);
  for (std::size_t i = 0; i < v.rows; ++i) {
    scale<double>(f(eigen.values[i], parameter), v.row(i), scaled.row(i), v.cols);
  }
  multiply<double>(1, v, Transposed::yes, scaled.view(), Transposed::no, 0, result.view());
  return result;
}

}  // namespace merganser
