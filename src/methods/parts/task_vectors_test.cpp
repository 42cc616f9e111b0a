#include "methods/parts/task_vectors.h"

#include <gtest/gtest.h>

#include <vector>

namespace merganser::methods {
namespace {

MergeGroup group_of(std::size_t size, std::vector<double> weights, bool normalize, double lambda) {
  MergeTensor tensor;
  tensor.name = "w";
  tensor.shape = {size};
  tensor.size = size;
  tensor.settings.shared = {{"normalize", Value{normalize}}, {"lambda", Value{lambda}}};
  for (std::size_t i = 0; i < weights.size(); ++i) {
    tensor.settings.per_input.push_back({{"weight", Value{weights[i]}}});
    tensor.models.push_back(i);
  }
  MergeGroup group;
  group.tensors.push_back(std::move(tensor));
  return group;
}

// Base and deltas of one block through a merger that needs no passes.
std::vector<double> write(const Merger<double>& merger, std::vector<double> base,
                          std::vector<std::vector<double>> deltas) {
  std::vector<double*> pointers;
  for (auto& delta : deltas) pointers.push_back(delta.data());
  Block<double> block;
  block.size = base.size();
  block.base = base.data();
  block.inputs = pointers;
  std::vector<double> out(base.size());
  merger.write(block, nullptr, out.data());
  return out;
}

TEST(TaskVectors, AddsWeightedDeltas) {
  const auto merger =
      merge_task_vectors<double>(group_of(2, {0.5, -2}, false, 3), keep_all<double>(), {});
  ASSERT_EQ(merger->next_pass(), std::nullopt);
  // 1 + 3 (0.5 * 4 - 2 * 1) = 1;  2 + 3 (0.5 * 0 - 2 * 0.5) = -1
  EXPECT_EQ(write(*merger, {1, 2}, {{4, 0}, {1, 0.5}}), (std::vector<double>{1, -1}));
}

TEST(TaskVectors, NormalizesByTheSumOfWeightsUnlessItVanishes) {
  const auto mean =
      merge_task_vectors<double>(group_of(1, {1, 3}, true, 1), keep_all<double>(), {});
  EXPECT_EQ(write(*mean, {0}, {{4}, {8}}), (std::vector<double>{7}));
  const auto vanishing =
      merge_task_vectors<double>(group_of(1, {1, -1}, true, 1), keep_all<double>(), {});
  EXPECT_EQ(write(*vanishing, {0}, {{4}, {8}}), (std::vector<double>{-4}));
}

TEST(TaskVectors, ElectionKeepsWhatAgrees) {
  TaskVectorOptions options;
  options.elect = true;
  const auto merger =
      merge_task_vectors<double>(group_of(3, {1, 1}, true, 1), keep_all<double>(), options);
  // Mean over those that agree with the larger mass; equal mass elects +.
  EXPECT_EQ(write(*merger, {0, 0, 0}, {{4, -3, 1}, {-1, 1, -1}}), (std::vector<double>{4, -3, 1}));
}

TEST(TaskVectors, CopiesTheBaseWhereNothingIsAdded) {
  EXPECT_EQ(task_vector_outline(group_of(1, {0, 0}, false, 1).tensors[0].settings, 0).copy,
            Outline::kCopyBase);
  EXPECT_EQ(task_vector_outline(group_of(1, {1, 1}, false, 0).tensors[0].settings, 0).copy,
            Outline::kCopyBase);
  const Outline outline = task_vector_outline(group_of(1, {1, 0}, false, 1).tensors[0].settings, 2);
  EXPECT_EQ(outline.copy, Outline::kNoCopy);
  EXPECT_EQ(outline.reads, (std::vector<bool>{true, false}));
  EXPECT_EQ(outline.sweeps, 3u);
}

}  // namespace
}  // namespace merganser::methods
