#include "analyze/spectrum.h"

#include <algorithm>
#include <utility>

#include "kernels/blend.h"
#include "linalg/truncated_svd.h"

namespace merganser {
namespace {

constexpr double kNoise = 1e-6;  // of the largest singular value

template <class T>
Matrix<double> first_rows(const Matrix<T>& from, std::size_t count) {
  Matrix<double> rows(count, from.cols());
  for (std::size_t r = 0; r < count; ++r) std::copy_n(from.row(r), from.cols(), rows.row(r));
  return rows;
}

template <class T>
Decomposed keep(TruncatedSvd<T> svd, std::size_t full, const SpectrumOptions& options) {
  Decomposed found;
  std::size_t leading = 0;
  while (leading < std::min(options.leading, svd.s.size()) && svd.s[leading] > kNoise * svd.s[0]) {
    ++leading;
  }
  found.leading = {first_rows(svd.ut, leading), first_rows(svd.vt, leading)};
  // The residual is that of all values found, which may be more than are asked for.
  const bool cut = svd.s.size() > options.rank;
  found.spectrum.whole = !cut && (svd.residual == 0 || svd.s.size() == full);
  found.spectrum.s = std::move(svd.s);
  if (cut) found.spectrum.s.resize(options.rank);
  found.spectrum.squared = svd.energy;
  return found;
}

}  // namespace

template <class T>
Decomposed decompose(MatrixView<const T> change, const SpectrumOptions& options) {
  TruncatedOptions wanted;
  wanted.rank = std::max(options.rank, options.leading);
  wanted.leading = options.leading;
  wanted.certify = false;
  wanted.seed = options.seed;
  return keep(truncated_svd<T>(change, wanted), std::min(change.rows, change.cols), options);
}

Decomposed decompose(const LoraSource::Product& product, const SpectrumOptions& options) {
  const Factors<double>& factors = *product.factors;
  Matrix<double> left(factors.rows, factors.rank);
  scale(product.scale, factors.left.data(), left.data(), factors.left.size());
  const MatrixView<const double> right{factors.right.data(), factors.rank, factors.columns,
                                       factors.columns};
  return keep(product_svd<double>(std::as_const(left).view(), right,
                                  std::max(options.rank, options.leading)),
              std::min(factors.rows, factors.columns), options);
}

template Decomposed decompose(MatrixView<const float>, const SpectrumOptions&);
template Decomposed decompose(MatrixView<const double>, const SpectrumOptions&);

}  // namespace merganser
