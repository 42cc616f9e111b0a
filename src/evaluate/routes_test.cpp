#include "evaluate/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluate/mixture_testing.h"

namespace merganser::rt {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// One layer, whose q_proj is a mixture of three experts and sees the normed embedding: tokens 0 and
// 2 are longest along the first coordinate, 1 and 3 along the second, none along the third.
std::unique_ptr<Model> mixture(std::int64_t per_token = 1) {
  Json config = testing::tiny_config("llama");
  config["vocab_size"] = 4;
  config["num_hidden_layers"] = 1;
  testing::Tensors tensors = testing::draw(config)->tensors();
  at::Tensor table = at::zeros({4, 12});
  table.narrow(1, 0, 2).copy_(
      at::tensor({1.f, 0.f, 0.f, 1.f, 2.f, 1.f, 1.f, 2.f}, at::kFloat).view({4, 2}));
  tensors["model.embed_tokens.weight"] = table;
  return test::mixture(config, tensors, "model.layers.0.self_attn.q_proj", 12,
                       at::full({24, 3}, 0.1), per_token);
}

Examples texts(std::vector<std::int64_t> ids, std::int64_t rows) {
  Examples examples;
  examples.ids = at::tensor(ids, at::kLong).view({rows, -1});
  examples.place = "data";
  return examples;
}

Task language() {
  Task task;
  task.kind = TaskKind::language_modelling;
  task.metric = Metric::loss;
  return task;
}

TEST(Routes, TheTokensThatAreReadAreCounted) {
  const auto model = mixture();
  const Task task = language();
  Progress progress;
  // The last token of each row is predicted, not read.
  const Routes routes = count_routes(*model, TaskHead(task, {}), task,
                                     texts({0, 1, 2, 3, 1, 1, 3, 0}, 2), {1, 64}, progress);
  EXPECT_EQ(routes.tokens, 6u);
  EXPECT_THAT(routes.ids, ElementsAre(0, 1, 2));
  ASSERT_EQ(routes.layers.size(), 1u);
  EXPECT_THAT(routes.layers[0].choices, ElementsAre(2, 4, 0));
  EXPECT_THAT(routes.layers[0].first, ElementsAre(2, 4, 0));
  EXPECT_THAT(routes.layers[0].text, ElementsAre(0, 1, 0));
}

TEST(Routes, OfSeveralPerTokenTheBestIsCountedApart) {
  const auto model = mixture(2);
  const Task task = language();
  Progress progress;
  // Token 2 takes experts 0 and 1 in this order, token 3 the other way round.
  const Routes routes =
      count_routes(*model, TaskHead(task, {}), task, texts({2, 3, 3, 0}, 1), {32, 2}, progress);
  EXPECT_THAT(routes.layers[0].choices, ElementsAre(3, 3, 0));
  EXPECT_THAT(routes.layers[0].first, ElementsAre(1, 2, 0));
  EXPECT_THAT(routes.layers[0].text, ElementsAre(0, 1));
  EXPECT_THAT(routes.ids, ElementsAre(2, 3));
}

TEST(Routes, PaddingIsNotCounted) {
  const auto model = mixture();
  Task task;
  task.pooling = Pooling::mean;
  Examples examples = texts({2, 3, 3, 1, 0, 0}, 2);
  examples.lengths = at::tensor({3, 1}, at::kLong);
  examples.labels = at::tensor({0, 1}, at::kLong);
  Progress progress;
  const TaskHead head(task, at::ones({2, 12}), at::zeros(2));
  const Routes routes = count_routes(*model, head, task, examples, {32, 0}, progress);
  EXPECT_EQ(routes.tokens, 4u);
  EXPECT_THAT(routes.layers[0].choices, ElementsAre(1, 3, 0));
  EXPECT_THAT(routes.layers[0].text, IsEmpty());
}

TEST(Routes, TheRoutersChooseWhateverWasSetAndItIsSetAgain) {
  const auto model = mixture();
  model->routing()->expert = 2;
  const Task task = language();
  Progress progress;
  const Routes routes =
      count_routes(*model, TaskHead(task, {}), task, texts({0, 1, 2}, 1), {32, 0}, progress);
  EXPECT_THAT(routes.layers[0].choices, ElementsAre(1, 1, 0));
  EXPECT_EQ(model->routing()->expert, 2);
  EXPECT_EQ(model->routing()->listener, nullptr);
}

}  // namespace
}  // namespace merganser::rt
