#include "evaluate/oracle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluate/mixture_testing.h"

namespace merganser::rt {
namespace {

const Json kConfig = {{"model_type", "mlp"},
                      {"input_shape", {2}},
                      {"hidden_sizes", {2}},
                      {"num_labels", 2},
                      {"norm", "none"}};

// Of positive inputs: expert e says class e, whatever it sees.
std::unique_ptr<Model> two_opinions() {
  const testing::Tensors plain = {{"layers.0.linear.weight", at::eye(2)},
                                  {"layers.0.linear.bias", at::zeros(2)},
                                  {"classifier.weight", at::zeros({2, 2})},
                                  {"classifier.bias", at::zeros(2)}};
  return test::mixture(kConfig, plain, "classifier", 2, at::eye(2));
}

// The second coordinate is the larger in the first row alone.
Examples four_rows(std::vector<std::int64_t> labels) {
  Examples examples;
  examples.values = at::tensor({1., 3., 3., 1., 2., 1., 5., 1.}, at::kFloat).view({4, 2});
  examples.labels = at::tensor(labels, at::kLong);
  examples.place = "data";
  return examples;
}

double accuracy(const Scores& scores) { return scores.correct.mean().item<double>(); }

TEST(Oracle, EveryExpertAloneAndTheBest) {
  const auto model = two_opinions();
  Task task;
  Progress progress;
  const TaskHead head(task, {});
  const Examples examples = four_rows({1, 1, 0, 1});
  const Tried tried = try_experts(*model, head, task, examples, {}, progress);
  ASSERT_EQ(tried.scores.size(), 2u);
  EXPECT_EQ(accuracy(tried.scores[0]), 0.25);
  EXPECT_EQ(accuracy(tried.scores[1]), 0.75);
  EXPECT_EQ(tried.best, 1);
  // The routers are back: rows 1 to 3 take expert 0, which is right once.
  EXPECT_EQ(accuracy(score(*model, head, task, examples, {}, progress)), 0.5);
}

TEST(Oracle, OfEqualsTheFirst) {
  const auto model = two_opinions();
  Task task;
  Progress progress;
  const Tried tried =
      try_experts(*model, TaskHead(task, {}), task, four_rows({1, 1, 0, 0}), {}, progress);
  EXPECT_EQ(tried.best, 0);
}

TEST(Oracle, WhatWasSetFromOutsideIsSetAgain) {
  const auto model = two_opinions();
  model->routing()->weights = {0.5, 0.5};
  {
    const OneExpert one(*model, 1);
    EXPECT_EQ(model->routing()->expert, 1);
    EXPECT_TRUE(model->routing()->weights.empty());
  }
  EXPECT_FALSE(model->routing()->expert.has_value());
  EXPECT_THAT(model->routing()->weights, ::testing::ElementsAre(0.5, 0.5));
}

TEST(Oracle, ExpertsAreFoundByTheLastPartOfAPath) {
  const auto model = two_opinions();
  EXPECT_EQ(expert_named(*model, "tune1"), 1);
  EXPECT_EQ(expert_named(*model, "models/some/tune0"), 0);
  EXPECT_EQ(expert_named(*model, "models/tune1//"), 1);
  EXPECT_EQ(expert_named(*model, "base+adapters/tune1"), 1);
  EXPECT_EQ(expert_named(*model, "tune"), -1);
  model->routing()->experts = {"tune", "tune"};
  EXPECT_EQ(expert_named(*model, "tune"), -1);
}

}  // namespace
}  // namespace merganser::rt
