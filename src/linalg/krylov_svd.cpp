#include "linalg/krylov_svd.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "linalg/blas_info.h"
#include "linalg/gram.h"
#include "linalg/krylov.h"
#include "linalg/krylov_bound.h"
#include "linalg/low_rank.h"
#include "linalg/multiply.h"
#include "linalg/narrowed.h"
#include "linalg/qr.h"
#include "linalg/svd.h"

namespace merganser {
namespace {

constexpr std::size_t kLeastSide = 512;  // below it the Gram matrix's eigenvalues are as cheap
constexpr std::size_t kMostPart = 6;     // ranks up to this part of the shorter side
constexpr std::size_t kSpacePart = 3;    // and spaces up to this one
// What f32 products see of a matrix: less than this of its energy left may be rounding.
constexpr double kFaint = 1e-5;
constexpr double kDrowned = 1e-10;
// Vectors and values are computed once more, in f64, if of f32 less than this of the energy is
// left, since that is a difference; or if values spread more, since the outer vectors are
// quotients.
constexpr double kRefineLeft = 1e-2, kRefineSpread = 3e-2;

// What is estimated has to be so much better than what is wanted before it is worth proving: near
// the limit a proof needs many more steps, and mostly fails.
constexpr double kWorthCertifying = 0.5;

std::size_t block_size(std::size_t rank) {
  // Of whole lines of the cache (kernels/narrow_product.h).
  return std::clamp<std::size_t>((rank / 2 + 23) / 16 * 16, 16, 128);
}

std::size_t space_limit(std::size_t shorter) { return shorter / kSpacePart; }

template <class T>
class Search {
 public:
  Search(MatrixView<const T> a, const TruncatedOptions& options, double energy)
      : whole_(a),
        options_(options),
        energy_(energy),
        a_(a, std::sqrt(energy)),
        block_(block_size(options.rank)),
        basis_(a_, space_limit(a_.inner())),
        next_(block_, a_.inner()) {}

  std::optional<TruncatedSvd<T>> run() {
    fill_normal<T>(next_.view(), options_.seed, 0);
    std::size_t check = std::max(options_.rank + options_.rank / 2, 2 * block_);
    while (basis_.room() >= block_) {
      basis_.add(next_.view());
      ++steps_;
      captured_ = 0;
      const Matrix<double> projected = basis_.projected();
      for (std::size_t i = 0; i < basis_.size(); ++i) captured_ += projected(i, i);
      if (1 - captured_ < kFaint) {
        if (auto found = by_factors()) return found;
      }
      basis_.project_out(next_.view());
      if (basis_.size() < check) continue;
      ritz();
      if (drowned()) return std::nullopt;
      if (enough()) return result();
      // Where a gap helps, the bound improves by a factor with each block; else hardly.
      check = basis_.size() + (flat_ ? basis_.size() / 4 : basis_.size() / 16);
      if (!options_.certify) check = basis_.size();  // settled() goes by every step's gain
    }
    return std::nullopt;
  }

 private:
  std::optional<TruncatedSvd<T>> by_factors() {
    const double error =
        std::max(options_.element_error,
                 rounding_error<T>(energy_, static_cast<double>(whole_.rows * whole_.cols)));
    const auto low = low_rank_factor<T>(whole_, {basis_.size(), error});
    if (!low) return std::nullopt;
    Svd<double> inner = thin_svd<double>(low->coordinates.view());
    const double least = noise_level(error, whole_.rows, whole_.cols);
    std::size_t count = std::min(inner.s.size(), options_.rank + 1);
    while (count > 0 && !(inner.s[count - 1] > least)) --count;
    TruncatedSvd<T> svd;
    inner.ut.keep_rows(count);
    inner.vt.keep_rows(count);
    inner.s.resize(count);
    Matrix<double> left(count, whole_.rows);
    multiply<double>(1, inner.ut.view(), Transposed::no, low->basis.view(), Transposed::no, 0,
                     left.view());
    svd.ut = narrowed<T>(std::move(left));
    svd.vt = narrowed<T>(std::move(inner.vt));
    svd.s = std::move(inner.s);
    svd.way = SvdWay::factors;
    svd.iterations = steps_;
    svd.leading_resolved =
        options_.leading > 0 && options_.leading <= count &&
        (options_.leading == count || svd.s[options_.leading - 1] - svd.s[options_.leading] >
                                          kLeadingGap * svd.s[options_.leading - 1]);
    return svd;
  }

  // Rayleigh and Ritz: the values of B on the space, their vectors, and what B takes out of it,
  // which is in the images of the last block alone.
  void ritz() {
    ritz_ = symmetric_eigen(basis_.projected());
    const std::size_t size = basis_.size();
    const MatrixView<const double> last =
        std::as_const(ritz_.vectors).view().col_block(size - block_, block_);
    const Matrix<double> squares = gram<T>(next_.view(), Side::left);
    Matrix<double> whole(block_, block_);
    for (std::size_t r = 0; r < block_; ++r) {
      for (std::size_t c = r; c < block_; ++c) whole(r, c) = whole(c, r) = squares(r, c);
    }
    Matrix<double> half(size, block_);
    multiply<double>(1, last, Transposed::no, whole.view(), Transposed::no, 0, half.view());
    coupling_ = Matrix<double>(size, size);
    multiply<double>(1, half.view(), Transposed::no, last, Transposed::yes, 0, coupling_.view());
  }

  // f32 products leave errors of about 1e-12 of the energy (measured, rank 32) in the wanted
  // vectors, whatever the bound says: they have to be small beside the excess of what is left.
  bool drowned() const {
    double left = 1;
    for (std::size_t i = 0; i < options_.rank; ++i) left -= std::max(0.0, ritz_.values[i]);
    return std::is_same_v<T, float> && left * options_.excess < kDrowned;
  }

  double excess_of(double top) const {
    double found = 0, beyond = 0;
    for (std::size_t i = 0; i < basis_.size(); ++i) {
      (i < options_.rank ? found : beyond) += std::max(0.0, ritz_.values[i]);
    }
    // By interlacing at least `beyond` is left, whatever the rest of the spectrum.
    const double best = 1 - std::max(found, std::min(top, 1 - beyond));
    return best > 0 ? std::sqrt((1 - found) / best) - 1 : std::numeric_limits<double>::infinity();
  }

  // What is outside of the space is hardly larger than the values in its midst.
  double likely_least() const {
    return std::min(least_, ritz_.values[(options_.rank + basis_.size()) / 2]);
  }

  // What certified() would give to first order with the likely rest.
  double estimate() const {
    const std::size_t k = options_.rank;
    const double least = likely_least();
    double top = 0;
    for (std::size_t i = 0; i < k; ++i) {
      const double gap = std::max(ritz_.values[i] - least, 1e-3 * ritz_.values[i]);
      top += std::max(0.0, ritz_.values[i]);
      if (gap > 0) top += std::max(0.0, coupling_(i, i)) / gap;
    }
    return excess_of(top);
  }

  double certified() const {
    if (!std::isfinite(least_)) return std::numeric_limits<double>::infinity();
    double found = 0;
    for (std::size_t i = 0; i < options_.rank; ++i) found += std::max(0.0, ritz_.values[i]);
    const double ratio = 1 + options_.excess, enough = 1 - (1 - found) / (ratio * ratio);
    return excess_of(bound_top_sum(ritz_.values, coupling_.view(), options_.rank, least_, enough));
  }

  bool enough() {
    remember();
    if (!(estimate() <= kWorthCertifying * options_.excess)) return false;
    excess_ = certified();
    if (!(excess_ <= options_.excess) && (options_.certify || !std::isfinite(least_))) {
      ComplementBound<T> complement(a_, basis_, options_.seed, steps_);
      const double wanted = ritz_.values[options_.rank - 1];
      double tried = least_, before = least_;
      while (!(excess_ <= options_.excess) && complement.step()) {
        const double value = complement.value();
        // Below the wanted values its last digits matter little: better a larger space than those.
        const bool settled = value < 0.85 * wanted && value > 0.95 * before;
        before = value;
        if (value < 0.9 * tried || (settled && value < tried)) {
          tried = least_ = value;
          excess_ = certified();
        }
        if (settled) break;
      }
    }
    flat_ = least_ > 0.9 * ritz_.values[options_.rank - 1];
    if (excess_ <= options_.excess) return leading_done(least_);
    return !options_.certify && settled() && leading_done(likely_least());
  }

  void remember() {
    double found = 0;
    for (std::size_t i = 0; i < options_.rank; ++i) found += std::max(0.0, ritz_.values[i]);
    before_last_ = last_gain_;
    last_gain_ = found - found_;
    found_ = found;
    ++remembered_;
  }

  // Whether the gains of the last blocks, going on to fall as they did, come to less than what is
  // asked, twice over.
  bool settled() const {
    if (remembered_ < 3) return false;
    const double ratio = before_last_ > 0 ? std::clamp(last_gain_ / before_last_, 0.25, 0.9) : 0.9;
    const double coming = 2 * std::max(0.0, last_gain_) * ratio / (1 - ratio);
    const double best = 1 - found_ - coming;
    return best > 0 && std::sqrt((1 - found_) / best) - 1 <= options_.excess;
  }

  // At most so large is the eigenvalue of B that belongs to value i, to first order
  // (krylov_bound.h) or by the residual alone.
  double raised(std::size_t i, double least) const {
    const double value = std::max(0.0, ritz_.values[i]), square = std::max(0.0, coupling_(i, i));
    double more = std::sqrt(square);
    if (least < value) more = std::min(more, square / (value - least));
    return value + more;
  }

  // Davis and Kahan: the sine of the angle is at most |R| / gap, on the squares.
  bool leading_done(double least) {
    const std::size_t g = options_.leading;
    if (g == 0) return true;
    double squares = 0;
    for (std::size_t i = 0; i < g; ++i) squares += std::max(0.0, coupling_(i, i));
    const double inside = std::sqrt(std::max(0.0, ritz_.values[g - 1]));
    const double outside = std::sqrt(std::max(0.0, ritz_.values[g])), above = raised(g, least);
    leading_resolved_ = inside - std::sqrt(above) > kLeadingGap * inside &&
                        std::sqrt(squares) < kLeadingAngle * (inside * inside - above);
    // Nothing is asked where the gap is smaller than that, as far as is known.
    const double most = std::sqrt(raised(g - 1, least));
    return leading_resolved_ || most - outside <= kLeadingGap * most;
  }

  TruncatedSvd<T> result() {
    const std::size_t size = basis_.size();
    const std::size_t count = std::min(options_.rank + 1, size);
    Matrix<T> turn(count, size);
    for (std::size_t i = 0; i < count; ++i) std::copy_n(ritz_.vectors.row(i), size, turn.row(i));
    Matrix<T> inner(count, a_.inner()), outer(count, a_.outer());
    multiply<T>(1, turn.view(), Transposed::no, basis_.vectors(), Transposed::no, 0, inner.view());
    TruncatedSvd<T> svd;
    svd.s.resize(count);
    double found = 0;
    for (std::size_t i = 0; i < count; ++i) {
      svd.s[i] = std::sqrt(std::max(0.0, ritz_.values[i]) * energy_);
      if (i < options_.rank) found += ritz_.values[i];
    }
    if ((std::is_same_v<T, float> && 1 - found < kRefineLeft) ||
        svd.s[count - 1] < kRefineSpread * svd.s[0]) {
      refine(inner, outer, svd.s);
    } else {
      for (std::size_t i = 0; i < count; ++i) {
        const double inverse = svd.s[i] > 0 ? std::sqrt(energy_) / svd.s[i] : 0;
        for (std::size_t c = 0; c < size; ++c) {
          turn(i, c) = static_cast<T>(ritz_.vectors(i, c) * inverse);
        }
      }
      multiply<T>(1, turn.view(), Transposed::no, basis_.images(), Transposed::no, 0, outer.view());
    }
    svd.ut = std::move(a_.flipped() ? inner : outer);
    svd.vt = std::move(a_.flipped() ? outer : inner);
    svd.excess = excess_;
    svd.way = SvdWay::krylov;
    svd.iterations = steps_;
    svd.leading_resolved = leading_resolved_;
    return svd;
  }

  // The decomposition restricted to the space of the inner vectors, in f64.
  void refine(Matrix<T>& inner, Matrix<T>& outer, std::vector<double>& s) const {
    const std::size_t count = inner.rows();
    Matrix<double> wide(count, inner.cols()), product(count, outer.cols());
    std::copy_n(inner.data(), count * inner.cols(), wide.data());
    orthonormalise_rows(wide.view());
    images<T, double>(whole_, a_.flipped() ? Side::left : Side::right, wide.view(), {},
                      product.view());
    Matrix<double> lower = orthonormalise_rows(product.view());
    Svd<double> small = lapack_svd(std::move(lower));  // product = lower q
    s = std::move(small.s);
    Matrix<double> turned(count, inner.cols());
    multiply<double>(1, small.ut.view(), Transposed::no, wide.view(), Transposed::no, 0,
                     turned.view());
    inner = narrowed<T>(std::move(turned));
    turned = Matrix<double>(count, outer.cols());
    multiply<double>(1, small.vt.view(), Transposed::no, product.view(), Transposed::no, 0,
                     turned.view());
    outer = narrowed<T>(std::move(turned));
  }

  MatrixView<const T> whole_;
  const TruncatedOptions& options_;
  double energy_;
  Operator<T> a_;
  std::size_t block_;
  Basis<T> basis_;
  Matrix<T> next_;  // the part of the last block's image under B that is outside of the space
  Eigen ritz_;
  Matrix<double> coupling_;
  double captured_ = 0;
  double least_ =
      std::numeric_limits<double>::infinity();  // what the complement's values are below
  double excess_ = 0;
  double found_ = 0, last_gain_ = 0, before_last_ = 0;  // of the wanted values' sum
  std::size_t remembered_ = 0;
  bool leading_resolved_ = false;
  bool flat_ = false;  // what is outside of the space may be as large as what is wanted
  std::size_t steps_ = 0;
};

}  // namespace

bool krylov_pays(std::size_t rows, std::size_t cols, std::size_t rank, std::size_t) {
  const std::size_t shorter = std::min(rows, cols);
  return shorter >= kLeastSide && rank <= shorter / kMostPart &&
         rank + 2 * block_size(rank) <= space_limit(shorter);
}

template <class T>
std::optional<TruncatedSvd<T>> krylov_svd(MatrixView<const T> a, const TruncatedOptions& options,
                                          double energy) {
  Search<T> search(a, options, energy);  // it takes as many threads as BLAS has now
  std::optional<BlasThreads> one;
  if (options.alone) one.emplace(1);
  return search.run();
}

std::uint64_t krylov_workspace(std::uint64_t rows, std::uint64_t cols, std::uint64_t rank,
                               std::uint64_t width) {
  const std::uint64_t shorter = std::min(rows, cols);
  if (!krylov_pays(rows, cols, rank, width)) return 0;
  const std::uint64_t space = space_limit(shorter), block = block_size(rank);
  // Basis and images; a pass's packed block and sums; the small problems in f64; a panel and blocks
  // widened; the result, and what makes it once more in f64.
  return width * space * (rows + cols) +
         width * (blas_info().threads + 3) * (block + 16) * shorter +
         sizeof(double) * 6 * space * space + sizeof(double) * (512 + 4 * block) * (rows + cols) +
         (width + 2 * sizeof(double)) * (rank + 1) * (rows + cols);
}

template std::optional<TruncatedSvd<float>> krylov_svd(MatrixView<const float>,
                                                       const TruncatedOptions&, double);
template std::optional<TruncatedSvd<double>> krylov_svd(MatrixView<const double>,
                                                        const TruncatedOptions&, double);

}  // namespace merganser
