#include "linalg/svd.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <type_traits>

#include "linalg/fortran.h"
#include "linalg/gram_vectors.h"
#include "linalg/low_rank.h"
#include "linalg/multiply.h"
#include "linalg/narrowed.h"

namespace merganser {
namespace {

// Up to this size of the smaller side dgesdd takes a few milliseconds: no shortcut is worth it.
constexpr std::size_t kSmall = 256;
// Ranks up to this part of the smaller side are looked for; beyond it factors save little.
constexpr std::size_t kLowRankPart = 4;
template <class T>
Matrix<double> copy_of(MatrixView<const T> a) {
  Matrix<double> copy(a.rows, a.cols);
  for (std::size_t r = 0; r < a.rows; ++r) std::copy_n(a.row(r), a.cols, copy.row(r));
  return copy;
}

void cut(Svd<double>& svd, std::size_t most, double least) {
  std::size_t count = std::min(most, svd.s.size());
  while (count > 0 && !(svd.s[count - 1] > least)) --count;
  svd.s.resize(count);
  svd.ut.keep_rows(count);
  svd.vt.keep_rows(count);
}

template <class R, class T>
Svd<R> svd_by_gram(MatrixView<const T> a, std::size_t most, double least) {
  const Side side = a.cols <= a.rows ? Side::right : Side::left;
  GramVectors found = gram_vectors<T>({&a, 1}, side, most, least);
  Matrix<R> others(found.s.size(), side == Side::right ? a.rows : a.cols);
  images<T, R>(a, side, found.vectors.view(), found.inverses(), others.view());
  Matrix<R> own = narrowed<R>(std::move(found.vectors));
  Svd<R> svd;
  svd.s = std::move(found.s);
  svd.ut = std::move(side == Side::right ? others : own);
  svd.vt = std::move(side == Side::right ? own : others);
  return svd;
}

Svd<double> svd_of_factor(const Matrix<double>& a, std::size_t most, double least) {
  if (a.rows() > kSmall) return svd_by_gram<double, double>(a.view(), most, least);
  Svd<double> svd = lapack_svd(copy_of<double>(a.view()));
  cut(svd, most, least);
  return svd;
}

template <class T>
std::optional<Svd<T>> svd_by_factors(MatrixView<const T> a, const SvdOptions& options,
                                     double least) {
  const std::size_t limit = std::min(a.rows, a.cols) / kLowRankPart;
  const auto factors = low_rank_factor<T>(a, {limit, options.element_error});
  if (!factors) return std::nullopt;
  Svd<double> inner = svd_of_factor(factors->coordinates, options.most, least);
  Svd<T> svd;
  Matrix<double> left(inner.s.size(), a.rows);
  multiply<double>(1, inner.ut.view(), Transposed::no, factors->basis.view(), Transposed::no, 0,
                   left.view());
  svd.ut = narrowed<T>(std::move(left));
  svd.vt = narrowed<T>(std::move(inner.vt));
  svd.s = std::move(inner.s);
  return svd;
}

template <class T>
Svd<T> small_svd(MatrixView<const T> a, const SvdOptions& options, double least) {
  Svd<double> exact = lapack_svd(copy_of<T>(a));
  const double rounding = std::numeric_limits<double>::epsilon() *
                          static_cast<double>(std::max(a.rows, a.cols)) * exact.s[0];
  cut(exact, options.most, std::max(least, rounding));
  Svd<T> svd;
  svd.s = std::move(exact.s);
  svd.ut = narrowed<T>(std::move(exact.ut));
  svd.vt = narrowed<T>(std::move(exact.vt));
  return svd;
}

}  // namespace

template <class T>
Svd<T> thin_svd(MatrixView<const T> a, const SvdOptions& options) {
  Svd<T> svd{Matrix<T>(0, a.rows), {}, Matrix<T>(0, a.cols)};
  if (a.empty()) return svd;
  const double energy = squared_norm<T>(a);
  if (!std::isfinite(energy)) {
    throw Error(ErrorKind::unsupported, "a matrix with NaN or infinity cannot be decomposed");
  }
  if (energy > 0) {
    SvdOptions with_rounding = options;
    with_rounding.element_error = std::max(
        options.element_error, rounding_error<T>(energy, static_cast<double>(a.rows * a.cols)));
    const double least = noise_level(with_rounding.element_error, a.rows, a.cols);
    if (std::is_same_v<T, double> || std::min(a.rows, a.cols) <= kSmall) {
      svd = small_svd<T>(a, with_rounding, least);
    } else if (auto low = svd_by_factors<T>(a, with_rounding, least)) {
      svd = std::move(*low);
    } else {
      svd = svd_by_gram<T, T>(a, options.most, least);
    }
  }
  svd.energy = energy;
  return svd;
}

Svd<double> lapack_svd(Matrix<double> a) {
  Svd<double> svd;
  if (a.empty()) return svd;
  const std::size_t m = a.rows(), n = a.cols(), k = std::min(m, n);
  svd.energy = squared_norm<double>(a.view());
  if (!std::isfinite(svd.energy)) {
    throw Error(ErrorKind::unsupported, "a matrix with NaN or infinity cannot be decomposed");
  }
  svd.s.resize(k);
  svd.vt = Matrix<double>(k, n);
  Matrix<double> u(m, k);
  // Fortran sees a^T = V S U^T: its "u" (n x k by columns) is our vt, its "vt" our u.
  const int rows = fortran::integer(n), cols = fortran::integer(m);
  const int inner = fortran::square_integer(k);
  std::vector<int> integers(8 * k);
  std::vector<double> work(1);
  int info = 0, size = -1;
  const auto run = [&] {
    dgesdd_("S", &rows, &cols, a.data(), &rows, svd.s.data(), svd.vt.data(), &rows, u.data(),
            &inner, work.data(), &size, integers.data(), &info, 1);
    fortran::check(info, "dgesdd");
  };
  run();
  work.resize(static_cast<std::size_t>(work[0]));
  size = static_cast<int>(work.size());
  run();
  svd.ut = Matrix<double>(k, m);
  for (std::size_t r = 0; r < k; ++r) {
    for (std::size_t c = 0; c < m; ++c) svd.ut(r, c) = u(c, r);
  }
  return svd;
}

std::uint64_t svd_workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t most,
                            std::uint64_t width) {
  const std::uint64_t p = std::min(rows, cols), k = std::min(p, most);
  if (width == sizeof(double) || p <= kSmall) {
    // The matrix in f64, both factors, and dgesdd's own work.
    return sizeof(double) * (rows * cols + 2 * p * (rows + cols) + 5 * p * p);
  }
  // The Gram matrix, its vectors, the work of their computation, a panel, and the result; the low
  // rank's factors take less.
  const std::uint64_t panel = 512 * (rows + cols);
  return sizeof(double) * (3 * p * p + panel) + (width * k) * (rows + cols);
}

template Svd<float> thin_svd(MatrixView<const float>, const SvdOptions&);
template Svd<double> thin_svd(MatrixView<const double>, const SvdOptions&);

}  // namespace merganser
