#include "methods/parts/sparsifier.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "kernels/reduce.h"

namespace merganser::methods {
namespace {

MergeGroup group_of(std::uint64_t size, std::vector<double> densities) {
  MergeTensor tensor;
  tensor.name = "layer.weight";
  tensor.shape = {size};
  tensor.size = size;
  for (std::size_t i = 0; i < densities.size(); ++i) {
    tensor.settings.per_input.push_back({{"density", Value{densities[i]}}});
    tensor.models.push_back(i);
  }
  MergeGroup group;
  group.seed = 11;
  group.tensors.push_back(std::move(tensor));
  return group;
}

// Applies a sparsifier that needs no passes to inputs that are all `value`.
std::vector<std::vector<float>> apply(const Sparsifier<float>& sparsifier, std::size_t inputs,
                                      std::size_t size, float value) {
  std::vector<std::vector<float>> data(inputs, std::vector<float>(size, value));
  for (std::size_t first = 0; first < size; first += kBlock) {
    std::vector<float*> pointers;
    for (auto& input : data) pointers.push_back(input.data() + first);
    Block<float> block;
    block.first = first;
    block.size = std::min(kBlock, size - first);
    block.inputs = pointers;
    sparsifier.apply(block, sparsifier.cursor(0, 0).get());
  }
  return data;
}

TEST(DropAtRandom, FollowsTheDocumentedStream) {
  const std::size_t size = 3 * kBlock + 77;
  const auto sparsifier = drop_at_random<float>(group_of(size, {0.3, 0.8}), false);
  const auto got = apply(*sparsifier, 2, size, 1);
  for (std::size_t i = 0; i < 2; ++i) {
    const RandomStream stream{11, hash64("layer.weight\n" + std::to_string(i))};
    const std::uint64_t threshold = keep_threshold(i == 0 ? 0.3 : 0.8);
    for (std::size_t j = 0; j < size; ++j) {
      ASSERT_EQ(got[i][j], keeps(stream, j, threshold) ? 1 : 0) << i << " " << j;
    }
  }
}

TEST(DropAtRandom, RememberedMasksAreTheDrawnOnes) {
  const std::size_t size = 2 * kBlock + 5;
  const auto fresh = drop_at_random<float>(group_of(size, {0.5, 0.1}), false);
  const auto remembering = drop_at_random<float>(group_of(size, {0.5, 0.1}), true);
  const auto expected = apply(*fresh, 2, size, 2);
  for (int pass = 0; pass < 3; ++pass) EXPECT_EQ(apply(*remembering, 2, size, 2), expected);
}

// Norms draw the masks, apply() finds them.
template <class Make>
void expect_remembered(Make make) {
  const std::size_t rows = 3, size = rows * 1001;
  MergeGroup group = group_of(size, {0.5, 0.2});
  group.tensors[0].shape = {rows, 1001};
  for (auto& input : group.tensors[0].settings.per_input) input["epsilon"] = 0.1;
  std::vector<float> x(size);
  for (std::size_t i = 0; i < size; ++i) x[i] = static_cast<float>(i * 7919 % size) - 1000;
  const auto run = [&](const Sparsifier<float>& sparsifier, bool norms) {
    std::vector<float> a = x, b = x;
    float* inputs[] = {a.data(), b.data()};
    Block<float> block;
    block.size = size;
    block.inputs = inputs;
    std::vector<double> whole(2), kept(2);
    const auto cursor = sparsifier.cursor(0, 0);
    if (norms) sparsifier.norms(block, cursor.get(), whole, kept);
    a = b = x;
    sparsifier.apply(block, cursor.get());
    if (norms) {
      EXPECT_EQ(whole[0], sum_abs(x.data(), size));
      EXPECT_EQ(kept[0], sum_abs(a.data(), size));
      EXPECT_EQ(kept[1], sum_abs(b.data(), size));
    }
    return std::pair(a, b);
  };
  EXPECT_EQ(run(*make(group, true), true), run(*make(group, false), false));
}

TEST(RandomSparsifiers, RememberMasksFromNormsOn) {
  const auto by_rank = [](const MergeGroup& group, bool again) {
    return drop_by_rank<float>(group, again, Compensation::none);
  };
  expect_remembered(by_rank);
}

TEST(DropByRank, TellsWhetherItDropsAnything) {
  MergeGroup group = group_of(10, {1, 0});
  for (auto& input : group.tensors[0].settings.per_input) input["epsilon"] = 0.1;
  EXPECT_TRUE(drop_by_rank<float>(group, false, Compensation::none)->drops(0));
  group.tensors[0].settings.per_input.pop_back();
  EXPECT_FALSE(drop_by_rank<float>(group, false, Compensation::none)->drops(0));
}

TEST(DropAtRandom, TellsWhetherItDropsAnything) {
  EXPECT_FALSE(drop_at_random<float>(group_of(10, {1, 1}), false)->drops(0));
  EXPECT_TRUE(drop_at_random<float>(group_of(10, {1, 0.5}), false)->drops(0));
}

TEST(TrimByMagnitude, NeedsNoPassWhereNothingOrAllIsDropped) {
  EXPECT_EQ(trim_by_magnitude<float>(group_of(100, {1, 0}))->next_pass(), std::nullopt);
  EXPECT_NE(trim_by_magnitude<float>(group_of(100, {1, 0.5}))->next_pass(), std::nullopt);
  EXPECT_FALSE(trim_by_magnitude<float>(group_of(100, {1, 1}))->drops(0));
}

TEST(TrimByMagnitude, DensityZeroLeavesNothing) {
  const auto sparsifier = trim_by_magnitude<float>(group_of(5, {0}));
  std::vector<float> x = {1, -2, INFINITY, 0, 5};
  float* pointer = x.data();
  Block<float> block;
  block.size = x.size();
  block.inputs = {&pointer, 1};
  const auto cursor = sparsifier->cursor(0, 0);
  sparsifier->apply(block, cursor.get());
  EXPECT_EQ(x, std::vector<float>(5, 0));
}

TEST(TrimBothTails, NeedsNoPassWhereNothingOrAllIsDropped) {
  MergeGroup group = group_of(100, {1, 0, 0.001});
  for (auto& input : group.tensors[0].settings.per_input) input["gamma"] = 0.1;
  EXPECT_EQ(trim_both_tails<float>(group)->next_pass(), std::nullopt);
  EXPECT_TRUE(trim_both_tails<float>(group)->drops(0));
  group.tensors[0].settings.per_input.resize(1);
  EXPECT_FALSE(trim_both_tails<float>(group)->drops(0));
  group.tensors[0].settings.per_input[0]["density"] = 0.5;
  EXPECT_NE(trim_both_tails<float>(group)->next_pass(), std::nullopt);
}

TEST(KeepAll, DropsNothing) { EXPECT_FALSE(keep_all<double>()->drops(0)); }

}  // namespace
}  // namespace merganser::methods
