#include "train/softmax_regression.h"

#include <gtest/gtest.h>

#include <cmath>

namespace merganser::rt {
namespace {

struct Data {
  at::Tensor x, y;
};

// Rows of three classes that no linear head separates.
Data overlapping() {
  const at::Tensor t = at::arange(90, at::kDouble);
  const at::Tensor x = at::stack({(t * 0.7).sin(), (t * 1.3).cos(), (t * 0.11).sin()}, 1);
  const at::Tensor y = (x.select(1, 0) + x.select(1, 1) * (t * 2.1).cos()).gt(0).to(at::kLong) +
                       x.select(1, 2).gt(0.5).to(at::kLong);
  return {x, y};
}

// By autograd, which the fit does not use.
at::Tensor gradient(const Data& data, const SoftmaxFit& fit, double penalty) {
  const at::Tensor weight = fit.weight.clone().requires_grad_(true);
  const at::Tensor bias = fit.bias.clone().requires_grad_(true);
  const at::Tensor loss = at::cross_entropy_loss(at::linear(data.x, weight, bias), data.y) +
                          weight.square().sum() * penalty;
  EXPECT_NEAR(loss.item<double>(), fit.loss, 1e-12);
  loss.backward();
  return at::cat({weight.grad().flatten(), bias.grad()});
}

TEST(SoftmaxRegression, EndsWhereTheGradientIsZero) {
  const Data data = overlapping();
  const Progress progress;
  SoftmaxFit fit;
  for (const double penalty : {1e-1, 1e-3, 1e-6}) {
    fit = fit_softmax(data.x, data.y, 3, fit, {.penalty = penalty}, progress);
    EXPECT_TRUE(fit.converged) << penalty;
    EXPECT_LE(gradient(data, fit, penalty).abs().max().item<double>(), 1.1e-6) << penalty;
  }
  EXPECT_LT(fit.loss, std::log(3.0) - 0.1);
}

// Without a penalty the weights grow without end: the fit stops and says so.
TEST(SoftmaxRegression, SeparableWithoutPenaltyStops) {
  const at::Tensor x = at::tensor({-2.0, -1.0, 1.0, 2.0}, at::kDouble).unsqueeze(1);
  const at::Tensor y = at::tensor({0, 0, 1, 1}, at::kLong);
  const SoftmaxFit fit =
      fit_softmax(x, y, 2, {}, {.penalty = 0, .tolerance = 0, .iterations = 30}, Progress());
  EXPECT_FALSE(fit.converged);
  EXPECT_LE(fit.iterations, 30);
  EXPECT_TRUE(fit.weight.isfinite().all().item<bool>());
}

}  // namespace
}  // namespace merganser::rt
