#include "smile/candidates.h"

#include <gtest/gtest.h>

namespace merganser {
namespace {

TensorPlace with_role(std::string role) {
  TensorPlace place;
  place.place = Place::layer;
  place.role = std::move(role);
  return place;
}

TEST(CanHaveExperts, WhatIsMultipliedWith) {
  const TensorPlace none;
  EXPECT_TRUE(can_have_experts(none, "layers.0.q_proj.weight", {4, 4}));
  // Adaptive norms hold the linear layer that makes their scales.
  EXPECT_TRUE(can_have_experts(none, "transformer_blocks.0.norm1.linear.weight", {24, 4}));
  EXPECT_FALSE(can_have_experts(none, "layers.0.norm1.weight", {4}));
  EXPECT_FALSE(can_have_experts(with_role("norm.attention.weight"), "layers.0.n.weight", {4, 4}));
  EXPECT_FALSE(can_have_experts(none, "layers.0.q_proj.bias", {4, 4}));
  EXPECT_FALSE(can_have_experts(none, "layers.0.q_proj.weight", {0, 4}));
  EXPECT_FALSE(can_have_experts(none, "layers.0.conv.weight", {4, 4, 3}));
}

TEST(CanHaveExperts, NoTablesAndNoMixtures) {
  const TensorPlace none;
  EXPECT_FALSE(can_have_experts(none, "Embeddings.word.weight", {9, 4}));
  EXPECT_FALSE(can_have_experts(with_role("attention.relative_bias.weight"), "a.weight", {9, 4}));
  EXPECT_FALSE(can_have_experts(none, "layers.0.mlp.experts.3.up_proj.weight", {4, 4}));
  EXPECT_FALSE(can_have_experts(with_role("mlp.router.weight"), "layers.0.gate.weight", {4, 4}));
}

}  // namespace
}  // namespace merganser
