#include "linalg/truncated_svd.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "linalg/eigen.h"
#include "linalg/gram.h"
#include "linalg/krylov_svd.h"
#include "linalg/low_rank.h"
#include "linalg/multiply.h"
#include "linalg/narrowed.h"
#include "linalg/qr.h"
#include "linalg/svd.h"

namespace merganser {
namespace {

// f32 products are safe while root mean squares of elements are in this range.
constexpr double kTiny = 1e-28, kHuge = 1e28;
// Shorter sides from which the Gram matrix is faster than LAPACK's decomposition in f64; its values
// are as exact as wanted down to this part of the largest (singular values: 1e-3).
constexpr std::size_t kLeastGram = 64;
constexpr double kResolved = 1e-6;
// What sums of squares in f64 leave of nothing.
constexpr double kRoundingLeft = 1e-14;

template <class T>
void finish(TruncatedSvd<T>& svd, const TruncatedOptions& options, double energy) {
  svd.energy = energy;
  const std::size_t g = options.leading;
  if (g > 0 && g < svd.s.size()) svd.leading_gap = (svd.s[g - 1] - svd.s[g]) / svd.s[g - 1];
  if (g > 0 && g == svd.s.size()) svd.leading_gap = 1;  // overwritten where more is known
  std::size_t k = std::min(options.rank, svd.s.size());
  // Directions that errors of this size alone could have made (low_rank.h).
  const double least = noise_level(options.element_error, svd.ut.cols(), svd.vt.cols());
  while (k > 0 && !(svd.s[k - 1] > least)) --k;
  svd.s.resize(k);
  svd.ut.keep_rows(k);
  svd.vt.keep_rows(k);
  double captured = 0;
  for (const double s : svd.s) captured += s * s;
  const double left = (energy - captured) / energy;
  svd.residual = left > kRoundingLeft ? std::sqrt(left) : 0;
}

template <class T>
TruncatedSvd<T> exactly(MatrixView<const T> a, const TruncatedOptions& options, double energy) {
  // One more than wanted shows the gap.
  SvdOptions all;
  all.most = options.rank + 1;
  all.element_error = options.element_error;
  Svd<T> found = thin_svd<T>(a, all);
  TruncatedSvd<T> svd;
  svd.ut = std::move(found.ut);
  svd.s = std::move(found.s);
  svd.vt = std::move(found.vt);
  finish(svd, options, energy);
  svd.way =
      std::is_same_v<T, double> || std::min(a.rows, a.cols) <= 256 ? SvdWay::exact : SvdWay::gram;
  svd.leading_resolved = options.leading > 0 && svd.leading_gap > kLeadingGap;
  return svd;
}

// By the largest eigenvalues of the f64 Gram matrix alone. None where it does not resolve what is
// wanted: small values beside large ones (svd.h finds them), and low ranks.
std::optional<TruncatedSvd<float>> by_gram(MatrixView<const float> a,
                                           const TruncatedOptions& options, double energy) {
  const Side side = a.cols <= a.rows ? Side::right : Side::left;
  const std::size_t count = std::min({options.rank + 1, a.rows, a.cols});
  auto eigen = largest_eigen(gram<float>(a, side), count);
  if (!eigen || !(eigen->values.back() > kResolved * eigen->values[0])) return std::nullopt;
  TruncatedSvd<float> svd;
  std::vector<double> inverses;
  for (const double value : eigen->values) {
    svd.s.push_back(std::sqrt(value));
    inverses.push_back(1 / svd.s.back());
  }
  Matrix<float> others(count, side == Side::right ? a.rows : a.cols);
  images<float, float>(a, side, eigen->vectors.view(), inverses, others.view());
  Matrix<float> own = narrowed<float>(std::move(eigen->vectors));
  svd.ut = std::move(side == Side::right ? others : own);
  svd.vt = std::move(side == Side::right ? own : others);
  finish(svd, options, energy);
  svd.way = SvdWay::gram;
  svd.leading_resolved = options.leading > 0 && svd.leading_gap > kLeadingGap;
  return svd;
}

// x = L q with orthonormal rows of q, or x = x I where x has more rows than columns.
struct Triangle {
  Matrix<double> core, basis;  // basis is empty for I
};

Triangle triangle_of(Matrix<double> x) {
  if (x.rows() > x.cols()) return {std::move(x), {}};
  Matrix<double> lower = orthonormalise_rows(x.view());
  return {std::move(lower), std::move(x)};
}

Matrix<double> in_basis(Matrix<double> rows, const Matrix<double>& basis, std::size_t count) {
  rows.keep_rows(count);
  if (basis.empty()) return rows;
  Matrix<double> out(count, basis.cols());
  multiply<double>(1, rows.view(), Transposed::no, basis.view(), Transposed::no, 0, out.view());
  return out;
}

}  // namespace

std::string_view name_of(SvdWay way) {
  switch (way) {
    case SvdWay::none:
      return "none";
    case SvdWay::exact:
      return "exact";
    case SvdWay::gram:
      return "gram";
    case SvdWay::krylov:
      return "krylov";
    case SvdWay::factors:
      return "factors";
  }
  return "none";
}

template <class T>
TruncatedSvd<T> truncated_svd(MatrixView<const T> a, const TruncatedOptions& wanted) {
  TruncatedSvd<T> svd;
  svd.ut = Matrix<T>(0, a.rows);
  svd.vt = Matrix<T>(0, a.cols);
  if (a.empty()) return svd;
  const double energy = squared_norm<T>(a);
  if (!std::isfinite(energy)) {
    throw Error(ErrorKind::unsupported, "a matrix with NaN or infinity cannot be decomposed");
  }
  svd.energy = energy;
  if (energy == 0) return svd;
  TruncatedOptions options = wanted;
  options.rank = std::min({wanted.rank, a.rows, a.cols});
  options.leading = std::min(wanted.leading, options.rank);
  if (options.rank == 0) {
    svd.residual = 1;
    return svd;
  }
  const double size =
      std::sqrt(energy / (static_cast<double>(a.rows) * static_cast<double>(a.cols)));
  if (options.excess > 0 && size > kTiny && size < kHuge &&
      krylov_pays(a.rows, a.cols, options.rank, sizeof(T))) {
    if (auto found = krylov_svd<T>(a, options, energy)) {
      finish(*found, options, energy);
      return std::move(*found);
    }
  }
  if constexpr (std::is_same_v<T, float>) {
    const std::size_t shorter = std::min(a.rows, a.cols);
    if (shorter >= kLeastGram && options.rank <= shorter / 4) {
      if (auto found = by_gram(a, options, energy)) return std::move(*found);
    }
  }
  return exactly<T>(a, options, energy);
}

template <class T>
TruncatedSvd<T> product_svd(MatrixView<const double> b, MatrixView<const double> a,
                            std::size_t rank) {
  TruncatedSvd<T> svd;
  svd.ut = Matrix<T>(0, b.rows);
  svd.vt = Matrix<T>(0, a.cols);
  if (b.empty() || a.empty()) return svd;
  Matrix<double> bt(b.cols, b.rows), right(a.rows, a.cols);
  for (std::size_t r = 0; r < b.rows; ++r) {
    for (std::size_t c = 0; c < b.cols; ++c) bt(c, r) = b(r, c);
  }
  for (std::size_t r = 0; r < a.rows; ++r) std::copy_n(a.row(r), a.cols, right.row(r));
  const double scale = std::sqrt(squared_norm<double>(b)) * std::sqrt(squared_norm<double>(a));
  if (!std::isfinite(scale)) {
    throw Error(ErrorKind::unsupported, "a matrix with NaN or infinity cannot be decomposed");
  }
  if (scale == 0) return svd;
  const Triangle left_side = triangle_of(std::move(bt)), right_side = triangle_of(std::move(right));
  Matrix<double> core(left_side.core.cols(), right_side.core.cols());
  multiply<double>(1, left_side.core.view(), Transposed::yes, right_side.core.view(),
                   Transposed::no, 0, core.view());
  Svd<double> inner = lapack_svd(std::move(core));
  const double least = std::numeric_limits<double>::epsilon() * static_cast<double>(b.cols) * scale;
  while (!inner.s.empty() && !(inner.s.back() > least)) inner.s.pop_back();
  const std::size_t count = std::min(rank, inner.s.size());
  svd.energy = inner.energy;
  svd.s.assign(inner.s.begin(), inner.s.begin() + static_cast<std::ptrdiff_t>(count));
  double left_out = 0;
  for (std::size_t i = inner.s.size(); i-- > count;) left_out += inner.s[i] * inner.s[i];
  if (svd.energy > 0) svd.residual = std::sqrt(left_out / svd.energy);
  svd.ut = narrowed<T>(in_basis(std::move(inner.ut), left_side.basis, count));
  svd.vt = narrowed<T>(in_basis(std::move(inner.vt), right_side.basis, count));
  if (!inner.s.empty()) svd.way = SvdWay::factors;
  return svd;
}

std::uint64_t truncated_svd_workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t rank,
                                      std::uint64_t width) {
  const std::uint64_t k = std::min({rank, rows, cols});
  const std::uint64_t exact = svd_workspace(rows, cols, k + 1, width);
  // A Krylov space that fails is gone before the exact way begins.
  return std::max(exact, krylov_workspace(rows, cols, k, width));
}

template TruncatedSvd<float> truncated_svd(MatrixView<const float>, const TruncatedOptions&);
template TruncatedSvd<double> truncated_svd(MatrixView<const double>, const TruncatedOptions&);
template TruncatedSvd<float> product_svd(MatrixView<const double>, MatrixView<const double>,
                                         std::size_t);
template TruncatedSvd<double> product_svd(MatrixView<const double>, MatrixView<const double>,
                                          std::size_t);

}  // namespace merganser
