#include "train/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace merganser::rt {
namespace {

using testing::DoubleNear;

at::Tensor numbers(std::vector<double> values) {
  return at::tensor(values, at::TensorOptions().dtype(at::kDouble));
}

TEST(Optimizer, SgdByHand) {
  const at::Tensor w = numbers({1, 2});
  Optimizer optimizer({{"w", w}}, {.kind = OptimizerOptions::Kind::sgd, .momentum = 0.5});
  for (int step = 0; step < 2; ++step) {
    w.mutable_grad() = numbers({1, -1});
    optimizer.step(0.1);
    EXPECT_FALSE(w.grad().defined());
  }
  // Velocities 1, then 1.5.
  EXPECT_TRUE(at::allclose(w.detach(), numbers({0.75, 2.25}))) << w;
}

TEST(Optimizer, AFirstStepOfAdamWIsTheRate) {
  const at::Tensor w = numbers({1, 2, 3});
  Optimizer optimizer({{"w", w}}, {});
  w.mutable_grad() = numbers({4, -0.1, 0});
  optimizer.step(0.01);
  EXPECT_TRUE(at::allclose(w.detach(), numbers({0.99, 2.01, 3}), 1e-6)) << w;
}

TEST(Optimizer, DecaysMatricesAlone) {
  const at::Tensor matrix = numbers({2}).view({1, 1}), vector = numbers({2});
  Optimizer optimizer({{"m", matrix}, {"v", vector}}, {.weight_decay = 0.5});
  matrix.mutable_grad() = at::zeros_like(matrix.detach());
  vector.mutable_grad() = at::zeros_like(vector.detach());
  optimizer.step(0.1);
  EXPECT_DOUBLE_EQ(matrix.item<double>(), 2 * (1 - 0.05));
  EXPECT_DOUBLE_EQ(vector.item<double>(), 2);
}

TEST(Optimizer, ClipsTheNormOfAllTogether) {
  const at::Tensor a = numbers({0}), b = numbers({0});
  Optimizer optimizer({{"a", a}, {"b", b}}, {.kind = OptimizerOptions::Kind::sgd, .clip = 1});
  a.mutable_grad() = numbers({3});
  b.mutable_grad() = numbers({4});
  EXPECT_DOUBLE_EQ(optimizer.step(1), 5);
  EXPECT_NEAR(a.item<double>(), -0.6, 1e-6);
  EXPECT_NEAR(b.item<double>(), -0.8, 1e-6);
}

TEST(Optimizer, WithoutAGradientNothingMoves) {
  const at::Tensor used = numbers({1}), unused = numbers({1}).view({1, 1});
  Optimizer optimizer({{"used", used}, {"unused", unused}}, {.weight_decay = 0.5});
  used.mutable_grad() = numbers({1});
  optimizer.step(0.1);
  EXPECT_TRUE(optimizer.reached(0));
  EXPECT_FALSE(optimizer.reached(1));
  EXPECT_DOUBLE_EQ(unused.item<double>(), 1);
}

// A step of 1e-4 is below bf16's spacing at 1: the copy in f32 collects a hundred of them.
TEST(Optimizer, NarrowParametersAreSteppedInF32) {
  const at::Tensor w = at::ones({1}, at::kBFloat16);
  Optimizer optimizer({{"w", w}}, {.kind = OptimizerOptions::Kind::sgd, .momentum = 0});
  for (int step = 0; step < 100; ++step) {
    w.mutable_grad() = at::ones({1}, at::kBFloat16);
    optimizer.step(1e-4);
  }
  EXPECT_THAT(optimizer.value(0).item<double>(), DoubleNear(0.99, 1e-5));
  EXPECT_THAT(w.item<double>(), DoubleNear(0.99, 4e-3));
}

TEST(Optimizer, NarrowParametersKeepTheDigitsTheyCameWith) {
  const at::Tensor w = at::full({1}, 1.001, at::kBFloat16);  // there 1
  Optimizer optimizer({{"w", w}}, {.kind = OptimizerOptions::Kind::sgd, .momentum = 0});
  optimizer.set_value(0, at::full({1}, 1.001, at::kFloat));
  w.mutable_grad() = at::ones({1}, at::kBFloat16);
  optimizer.step(1e-5);
  EXPECT_THAT(optimizer.value(0).item<double>(), DoubleNear(1.00099, 1e-6));
}

TEST(Optimizer, RestoresWhatWasSaved) {
  const at::Tensor w = numbers({1, 2});
  Optimizer optimizer({{"w", w}}, {});
  const auto saved = optimizer.save();
  w.mutable_grad() = numbers({1, 1});
  optimizer.step(0.5);
  EXPECT_NE(w.detach()[0].item<double>(), 1);
  optimizer.restore(saved);
  EXPECT_TRUE(w.detach().equal(numbers({1, 2})));
}

}  // namespace
}  // namespace merganser::rt
