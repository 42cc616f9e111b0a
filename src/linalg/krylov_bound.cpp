#include "linalg/krylov_bound.h"

#include <algorithm>
#include <cmath>

#include "linalg/eigen.h"
#include "linalg/multiply.h"

namespace merganser {
namespace {

constexpr std::size_t kWidth = 16;  // vectors; the overlap of few with a direction can be tiny
constexpr std::size_t kMostSteps = 14;

double log_beta(double a, double b) { return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b); }

double overlap(std::size_t vectors, std::size_t dimension) {
  if (vectors >= dimension) return 1;
  const double a = 0.5 * static_cast<double>(vectors);
  const double b = 0.5 * static_cast<double>(dimension - vectors);
  // The density's (1 - x)^(b - 1) is at most 1, but for b = 1/2; there it is at most 2 up to x =
  // 3/4.
  const double least = std::exp((std::log(kBoundFailure * a / 2) + log_beta(a, b)) / a);
  return std::sqrt(std::min(least, 0.5));
}

}  // namespace

double bound_top_sum(std::span<const double> theta, MatrixView<const double> coupling,
                     std::size_t k, double least, double enough) {
  const double last = theta[k - 1];
  double best = std::numeric_limits<double>::infinity();
  const auto attempt = [&](double tau) {
    const double factor = 1 / (tau - least);
    Matrix<double> raised(theta.size(), theta.size());
    for (std::size_t r = 0; r < theta.size(); ++r) {
      for (std::size_t c = r; c < theta.size(); ++c) raised(r, c) = coupling(r, c) * factor;
      raised(r, r) += theta[r];
    }
    const std::vector<double> values = symmetric_eigenvalues(std::move(raised));
    double sum = 0;
    for (std::size_t i = 0; i < k; ++i) sum += std::max(values[i], tau);
    best = std::min(best, sum);
    return values[k - 1];
  };
  if (least < 0.98 * last) {
    const double raised = attempt(last);
    if (best > enough && raised > 1.01 * last) attempt(raised);
  } else if (std::isfinite(least)) {
    const double from = std::max(least, last);
    for (const double factor : {1.02, 1.08}) attempt(from * factor);
  }
  return best;
}

template <class T>
ComplementBound<T>::ComplementBound(const Operator<T>& a, const Basis<T>& basis, std::uint64_t seed,
                                    std::uint64_t stream)
    : a_(a),
      basis_(basis),
      width_(std::min(kWidth, a.inner() - basis.size())),
      overlap_(overlap(width_, a.inner() - basis.size())),
      own_(a, width_ == 0 ? 0 : std::min(kMostSteps, (a.inner() - basis.size()) / width_) * width_),
      next_(width_, a.inner()) {
  if (width_ == 0) value_ = 0;
  fill_normal<T>(next_.view(), seed, stream);
}

template <class T>
bool ComplementBound<T>::step() {
  if (width_ == 0 || own_.room() < width_) return false;
  own_.project_out(next_.view());
  own_.add(next_.view(), &basis_);
  update();
  return true;
}

template <class T>
void ComplementBound<T>::update() {
  const std::size_t size = own_.size(), degree = size / width_ - 1;
  if (degree == 0) return;
  const Eigen eigen = symmetric_eigen(own_.projected());
  const double top = eigen.values[0];
  if (!(top > 0)) {
    value_ = 0;
    return;
  }
  Matrix<double> weighted(size, width_), squares(width_, width_);
  constexpr int kIntervals = 12;
  for (int i = 0; i <= kIntervals; ++i) {
    // Intervals from a tenth of the largest value seen to twice it.
    const double h = top * std::pow(10, -1 + 1.3 * i / kIntervals);
    for (std::size_t r = 0; r < size; ++r) {
      const double x = 2 * std::max(0.0, eigen.values[r]) / h - 1, n = static_cast<double>(degree);
      const double p = x <= 1 ? std::cos(n * std::acos(x)) : std::cosh(n * std::acosh(x));
      for (std::size_t c = 0; c < width_; ++c) weighted(r, c) = p * eigen.vectors(r, c);
    }
    multiply<double>(1, weighted.view(), Transposed::yes, weighted.view(), Transposed::no, 0,
                     squares.view());
    Matrix<double> copy(width_, width_);
    std::copy_n(squares.data(), width_ * width_, copy.data());
    const double seen = std::sqrt(std::max(0.0, symmetric_eigenvalues(std::move(copy))[0]));
    const double ratio = std::max(1.0, seen / overlap_);
    const double x = std::cosh(std::acosh(ratio) / static_cast<double>(degree));
    value_ = std::min(value_, h * (1 + x) / 2);
  }
}

template class ComplementBound<float>;
template class ComplementBound<double>;

}  // namespace merganser
