#include "train/softmax_regression.h"

#include <ATen/core/grad_mode.h>

#include <cmath>
#include <deque>
#include <utility>

#include "base/error.h"

namespace merganser::rt {
namespace {

constexpr std::size_t kPairs = 20;  // of steps and gradient changes that L-BFGS remembers
constexpr double kDecrease = 1e-4, kCurvature = 0.9;
constexpr int kTrials = 30;  // of a line search

double product(const at::Tensor& a, const at::Tensor& b) { return a.dot(b).item<double>(); }

// The objective over [W | b] laid out as one vector of (D + 1) C numbers.
class Objective {
 public:
  Objective(const at::Tensor& x, const at::Tensor& y, std::int64_t classes, double penalty)
      : x_(at::cat({x.to(at::kDouble), at::ones({x.size(0), 1}, at::kDouble)}, 1)),
        labels_(y.unsqueeze(1)),
        one_hot_(at::zeros({x.size(0), classes}, at::kDouble).scatter_(1, labels_, 1)),
        classes_(classes),
        penalty_(penalty) {}

  std::int64_t size() const { return x_.size(1) * classes_; }

  // The Cholesky factor of a bound of the Hessian's blocks, X^T X / (2 N) + 2 penalty (Böhning
  // 1992): where L-BFGS begins with it, features of very different spread do not slow it down.
  at::Tensor factor() const {
    at::Tensor bound = x_.t().mm(x_) / (2 * static_cast<double>(x_.size(0)));
    // The least: constant features and the bias have no penalty, or no spread.
    bound.diagonal().add_(2 * penalty_ + 1e-9 * bound.diagonal().mean().item<double>());
    return at::linalg_cholesky(bound);
  }

  struct Value {
    double loss = 0;
    at::Tensor gradient;
  };
  Value operator()(const at::Tensor& flat) const {
    const at::Tensor w = flat.view({x_.size(1), classes_});
    const at::Tensor logs = x_.mm(w).log_softmax(1);
    const auto count = static_cast<double>(x_.size(0));
    at::Tensor gradient = x_.t().mm((logs.exp() - one_hot_) / count);
    const at::Tensor weights = w.narrow(0, 0, x_.size(1) - 1);
    gradient.narrow(0, 0, x_.size(1) - 1).add_(weights, 2 * penalty_);
    const double fit = -logs.gather(1, labels_).mean().item<double>();
    return {fit + penalty_ * weights.square().sum().item<double>(), gradient.view({-1})};
  }

 private:
  at::Tensor x_, labels_, one_hot_;
  std::int64_t classes_;
  double penalty_;
};

struct Point {
  double step = 0;
  at::Tensor at;
  Objective::Value value;
  double slope = 0;
};

// Along a direction of descent.
class LineSearch {
 public:
  LineSearch(const Objective& objective, const at::Tensor& from, const Objective::Value& value,
             const at::Tensor& direction)
      : objective_(objective), direction_(direction) {
    start_ = {0, from, value, product(value.gradient, direction)};
  }

  // A point with the strong Wolfe conditions, or the best that was found.
  Point run() {
    Point previous = start_;
    double step = 1;
    for (int trial = 0; trial < kTrials; ++trial) {
      Point now = probe(step);
      if (!(now.value.loss <= allowed(step)) ||
          (trial > 0 && now.value.loss >= previous.value.loss)) {
        return zoom(std::move(previous), std::move(now));
      }
      if (std::abs(now.slope) <= -kCurvature * start_.slope) return now;
      if (now.slope >= 0) return zoom(std::move(now), std::move(previous));
      previous = std::move(now);
      step *= 2;
    }
    return previous;
  }

 private:
  double allowed(double step) const { return start_.value.loss + kDecrease * step * start_.slope; }
  Point probe(double step) const {
    Point point{step, start_.at + direction_ * step, {}, 0};
    point.value = objective_(point.at);
    point.slope = product(point.value.gradient, direction_);
    return point;
  }
  Point zoom(Point low, Point high) const {
    for (int trial = 0; trial < kTrials; ++trial) {
      Point now = probe((low.step + high.step) / 2);
      if (!(now.value.loss <= allowed(now.step)) || now.value.loss >= low.value.loss) {
        high = std::move(now);
        continue;
      }
      if (std::abs(now.slope) <= -kCurvature * start_.slope) return now;
      if (now.slope * (high.step - low.step) >= 0) high = low;
      low = std::move(now);
    }
    return low;
  }

  const Objective& objective_;
  Point start_;
  const at::Tensor& direction_;
};

class Memory {
 public:
  // Of the matrix that the inverse Hessian begins as, by its inverse's Cholesky factor [D, D].
  Memory(at::Tensor factor, std::int64_t classes) : factor_(std::move(factor)), classes_(classes) {}

  // -H g by the two loops; H is the inverse Hessian as the pairs know it.
  at::Tensor direction(const at::Tensor& gradient) const {
    at::Tensor q = -gradient;
    std::vector<double> alphas(pairs_.size());
    for (std::size_t i = pairs_.size(); i-- > 0;) {
      alphas[i] = product(pairs_[i].s, q) / pairs_[i].sy;
      q = q - pairs_[i].y * alphas[i];
    }
    q = solve(q);
    if (!pairs_.empty()) {
      const at::Tensor& y = pairs_.back().y;
      q = q * (pairs_.back().sy / product(y, solve(y)));
    }
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      q = q + pairs_[i].s * (alphas[i] - product(pairs_[i].y, q) / pairs_[i].sy);
    }
    return q;
  }
  void add(const at::Tensor& s, const at::Tensor& y) {
    const double sy = product(s, y);
    if (!(sy > 0)) return;
    pairs_.push_back({s, y, sy});
    if (pairs_.size() > kPairs) pairs_.pop_front();
  }
  bool empty() const { return pairs_.empty(); }
  void clear() { pairs_.clear(); }

 private:
  struct Pair {
    at::Tensor s, y;
    double sy;
  };
  at::Tensor solve(const at::Tensor& flat) const {
    return at::cholesky_solve(flat.view({-1, classes_}), factor_).contiguous().view({-1});
  }

  at::Tensor factor_;
  std::int64_t classes_;
  std::deque<Pair> pairs_;
};

}  // namespace

SoftmaxFit fit_softmax(const at::Tensor& x, const at::Tensor& y, std::int64_t classes,
                       const SoftmaxFit& start, const SoftmaxOptions& options,
                       const Progress& progress) {
  const at::NoGradGuard no_grad;
  const Objective objective(x, y, classes, options.penalty);
  at::Tensor at = at::zeros({objective.size()}, at::kDouble);
  if (start.weight.defined()) {
    at = at::cat({start.weight.t(), start.bias.unsqueeze(0)}, 0).contiguous().view({-1});
  }
  Objective::Value value = objective(at);
  Memory memory(objective.factor(), classes);
  SoftmaxFit fit;
  const auto flat_enough = [&] {
    return value.gradient.abs().max().item<double>() <= options.tolerance;
  };
  fit.converged = flat_enough();
  while (!fit.converged && fit.iterations < options.iterations) {
    if (progress.stopped()) throw Error(ErrorKind::interrupted, "interrupted");
    const at::Tensor direction = memory.direction(value.gradient);
    Point next = LineSearch(objective, at, value, direction).run();
    if (!(next.value.loss < value.loss)) {
      // Nothing to be gained as far as f64 and the remembered pairs can tell.
      if (memory.empty()) break;
      memory.clear();
      continue;
    }
    memory.add(next.at - at, next.value.gradient - value.gradient);
    at = next.at;
    value = next.value;
    ++fit.iterations;
    fit.converged = flat_enough();
  }
  const at::Tensor w = at.view({-1, classes});
  fit.weight = w.narrow(0, 0, w.size(0) - 1).t().contiguous();
  fit.bias = w.select(0, w.size(0) - 1).contiguous();
  fit.loss = value.loss;
  return fit;
}

}  // namespace merganser::rt
