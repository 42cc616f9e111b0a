#include "evaluate/scores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "base/error.h"
#include "base/testing.h"
#include "evaluate/gains.h"
#include "evaluate/model_testing.h"

namespace merganser::rt {
namespace {

using ::testing::HasSubstr;
using Rows = std::vector<std::vector<double>>;

constexpr int kClasses = 4;

Rows drawn(int rows, int columns, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  Rows values(static_cast<std::size_t>(rows),
              std::vector<double>(static_cast<std::size_t>(columns)));
  for (auto& row : values) {
    for (double& value : row) value = static_cast<float>(2 * normal(engine));
  }
  return values;
}

at::Tensor tensor(const Rows& rows) {
  at::Tensor made =
      at::empty({static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(rows[0].size())},
                at::kFloat);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < rows[i].size(); ++j) {
      made[static_cast<std::int64_t>(i)][static_cast<std::int64_t>(j)] = rows[i][j];
    }
  }
  return made;
}

std::vector<double> softmax(const std::vector<double>& logits) {
  double sum = 0;
  std::vector<double> found;
  for (const double x : logits) sum += std::exp(x);
  for (const double x : logits) found.push_back(std::exp(x) / sum);
  return found;
}

std::size_t largest(const std::vector<double>& values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

double at_row(const at::Tensor& values, std::size_t row) {
  return values[static_cast<std::int64_t>(row)].item<double>();
}

Task classification(Metric metric = Metric::accuracy) {
  Task task;
  task.name = "t";
  task.metric = metric;
  return task;
}

Examples labelled(const Rows& logits, const std::vector<std::int64_t>& labels) {
  Examples examples;
  examples.values = tensor(logits);
  examples.labels = at::tensor(labels, at::kLong);
  examples.place = "data.safetensors";
  return examples;
}

Scores classify(const Rows& logits, const std::vector<std::int64_t>& labels,
                std::int64_t batch = 7) {
  const test::Echo model(static_cast<std::int64_t>(logits[0].size()));
  const Task task = classification();
  Progress progress;
  return score(model, TaskHead(task, {}), task, labelled(logits, labels), {batch, true}, progress);
}

std::vector<std::int64_t> some_labels(int rows) {
  std::vector<std::int64_t> labels;
  for (int i = 0; i < rows; ++i) labels.push_back(i * i % kClasses);
  return labels;
}

TEST(Scores, ClassificationIsThatOfPlainLoops) {
  const Rows logits = drawn(50, kClasses, 1);
  const auto labels = some_labels(50);
  const Scores scores = classify(logits, labels);
  double correct = 0, loss = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const auto p = softmax(logits[i]);
    const auto label = static_cast<std::size_t>(labels[i]);
    EXPECT_NEAR(at_row(scores.loss, i), -std::log(p[label]), 1e-5);
    EXPECT_EQ(at_row(scores.correct, i), largest(logits[i]) == label ? 1 : 0);
    correct += largest(logits[i]) == label ? 1 : 0;
    loss -= std::log(p[label]);
  }
  EXPECT_DOUBLE_EQ(estimate(scores, Metric::accuracy).value, correct / 50);
  EXPECT_NEAR(estimate(scores, Metric::loss).value, loss / 50, 1e-6);
  EXPECT_NEAR(estimate(scores, Metric::perplexity).value, std::exp(loss / 50), 1e-5);
}

TEST(Scores, BatchesMakeNoDifference) {
  const Rows logits = drawn(50, kClasses, 1);
  const auto labels = some_labels(50);
  EXPECT_TRUE(classify(logits, labels, 1).loss.equal(classify(logits, labels, 50).loss));
}

TEST(Scores, LanguageModellingPredictsEachTokenFromTheOneBefore) {
  const Rows table = drawn(5, 5, 2);
  const std::vector<std::vector<std::int64_t>> text = {{0, 1, 2, 3}, {4, 4, 0, 2}};
  Examples examples;
  examples.ids = at::tensor(std::vector<std::int64_t>{0, 1, 2, 3, 4, 4, 0, 2}).view({2, 4});
  Task task = classification(Metric::perplexity);
  task.kind = TaskKind::language_modelling;
  task.length = 3;
  Progress progress;
  const Scores scores =
      score(test::Bigram(tensor(table)), TaskHead(task, {}), task, examples, {1, true}, progress);
  double all = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    double loss = 0;
    for (std::size_t t = 0; t < 3; ++t) {
      const double p = softmax(
          table[static_cast<std::size_t>(text[i][t])])[static_cast<std::size_t>(text[i][t + 1])];
      EXPECT_NEAR(scores.probabilities[static_cast<std::int64_t>(i)][static_cast<std::int64_t>(t)]
                      .item<double>(),
                  p, 1e-6);
      loss -= std::log(p) / 3;
    }
    EXPECT_NEAR(at_row(scores.loss, i), loss, 1e-5);
    all += loss / 2;
  }
  EXPECT_NEAR(estimate(scores, Metric::perplexity).value, std::exp(all), 1e-4);
}

// A batch's logits are computed on in pieces where they are large.
TEST(Scores, LargeLogitsAreScoredAsSmallOnes) {
  constexpr std::int64_t kVocabulary = 3000, kRows = 500, kLength = 3;  // 4.5 million logits
  Task task;
  task.name = "text";
  task.kind = TaskKind::language_modelling;
  task.metric = Metric::loss;
  task.length = kLength;
  Examples examples;
  examples.ids = at::arange(kRows * (kLength + 1)).mul(7).remainder(kVocabulary).view({kRows, -1});
  examples.place = "data.safetensors";
  const test::Bigram model(at::arange(kVocabulary * kVocabulary)
                               .remainder(1013)
                               .to(at::kFloat)
                               .div(200)
                               .view({kVocabulary, -1}));
  Progress progress;
  const TaskHead head(task, {});
  const Scores large = score(model, head, task, examples, {kRows, true}, progress);
  const Scores small = score(model, head, task, examples, {10, true}, progress);
  // Rows are added up in another order where they are shared among other threads.
  EXPECT_TRUE(large.loss.allclose(small.loss, 1e-6, 1e-6));
  EXPECT_TRUE(large.probabilities.allclose(small.probabilities, 1e-5, 1e-9));
  EXPECT_TRUE(large.loss.isfinite().all().item<bool>());
}

TEST(Scores, AnEnsembleIsTheMeanOfProbabilities) {
  const Rows one = drawn(30, kClasses, 3), two = drawn(30, kClasses, 4);
  const auto labels = some_labels(30);
  const Scores both =
      ensemble({classify(one, labels), classify(two, labels)}, labelled(one, labels));
  for (std::size_t i = 0; i < one.size(); ++i) {
    const auto a = softmax(one[i]), b = softmax(two[i]);
    std::vector<double> mean;
    for (std::size_t c = 0; c < a.size(); ++c) mean.push_back((a[c] + b[c]) / 2);
    const auto label = static_cast<std::size_t>(labels[i]);
    EXPECT_NEAR(at_row(both.loss, i), -std::log(mean[label]), 1e-5);
    EXPECT_EQ(at_row(both.correct, i), largest(mean) == label ? 1 : 0);
  }
}

Scores of_correct(int right, int rows) {
  Scores scores;
  scores.correct = at::zeros({rows}, at::kDouble);
  scores.correct.slice(0, 0, right).fill_(1);
  scores.loss = at::zeros({rows}, at::kDouble);
  scores.targets = at::ones({rows}, at::kDouble);
  return scores;
}

// Agresti and Coull 1998 and statsmodels' proportion_confint(method="wilson") give the same.
TEST(Estimate, WilsonsInterval) {
  const Estimate eight = estimate(of_correct(8, 10), Metric::accuracy);
  EXPECT_NEAR(eight.low, 0.4901625, 1e-6);
  EXPECT_NEAR(eight.high, 0.9433178, 1e-6);
  const Estimate none = estimate(of_correct(0, 10), Metric::accuracy);
  EXPECT_NEAR(none.low, 0, 1e-12);
  EXPECT_NEAR(none.high, 0.2775328, 1e-6);
  const Estimate all = estimate(of_correct(20, 20), Metric::accuracy);
  EXPECT_NEAR(all.low, 0.8388748, 1e-6);
  EXPECT_NEAR(all.high, 1, 1e-12);
}

Scores of_losses(const std::vector<double>& losses, double targets = 1) {
  Scores scores;
  scores.loss = at::tensor(losses, at::kDouble);
  scores.targets = at::full({static_cast<std::int64_t>(losses.size())}, targets, at::kDouble);
  return scores;
}

TEST(Estimate, NormalIntervalOfTheMeanLoss) {
  const Estimate found = estimate(of_losses({1, 2, 3, 4, 5}, 7), Metric::loss);
  EXPECT_DOUBLE_EQ(found.value, 3);
  EXPECT_NEAR(found.high - 3, 1.959964 * std::sqrt(2.5 / 5), 1e-6);  // s = sqrt(2.5)
  EXPECT_NEAR(3 - found.low, 1.959964 * std::sqrt(2.5 / 5), 1e-6);
  const Estimate perplexity = estimate(of_losses({1, 2, 3, 4, 5}), Metric::perplexity);
  EXPECT_NEAR(perplexity.high, std::exp(found.high), 1e-9);
  const Estimate single = estimate(of_losses({2}), Metric::loss);
  EXPECT_EQ(single.low, 2);
}

TEST(Gain, IsZeroOfTheBaseAndOneOfTheBest) {
  const Scores base = of_losses({4, 5, 6, 5}), top = of_losses({1, 2, 2, 3}),
               x = of_losses({2, 3, 4, 3});
  const auto value = gain(x, base, top, Metric::loss);
  EXPECT_NEAR(value->value, (3.0 - 5) / (2.0 - 5), 1e-12);
  EXPECT_LT(value->low, value->value);
  EXPECT_GT(value->high, value->value);
  EXPECT_EQ(gain(x, base, top, Metric::loss)->low, value->low);  // the same for the same scores
  const auto zero = gain(base, base, top, Metric::loss);
  EXPECT_EQ(zero->value, 0);
  EXPECT_FALSE(std::signbit(zero->value));
  EXPECT_FALSE(std::signbit(zero->low));
  EXPECT_EQ(gain(top, base, top, Metric::loss)->low, 1);
  EXPECT_NEAR(*gain_value(x, base, top, Metric::perplexity),
              (std::exp(3) - std::exp(5)) / (std::exp(2) - std::exp(5)), 1e-12);
  EXPECT_FALSE(gain(x, base, base, Metric::loss));
}

TEST(Gain, BetterIsSmallerForLossesAndLargerForAccuracy) {
  EXPECT_TRUE(better(of_losses({1}), of_losses({2}), Metric::loss));
  EXPECT_TRUE(better(of_correct(3, 4), of_correct(2, 4), Metric::accuracy));
  EXPECT_FALSE(better(of_correct(2, 4), of_correct(2, 4), Metric::accuracy));
}

TEST(Scores, ALossThatIsNotFiniteNamesItsRow) {
  Rows logits = drawn(20, kClasses, 1);
  logits[13][2] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(merganser::test::complaint([&] { classify(logits, some_labels(20)); }),
              HasSubstr("not finite in row 13"));
}

TEST(Scores, LabelsBeyondTheHeadAreRefusedBeforeMoreThanABatch) {
  auto labels = some_labels(20);
  labels[19] = 9;  // of the last batch
  EXPECT_THAT(merganser::test::complaint([&] { classify(drawn(20, kClasses, 1), labels, 2); }),
              HasSubstr("a label is 9, the head of task 't' has 4 classes"));
}

TEST(Scores, StopsWhenAsked) {
  const test::Echo model(kClasses);
  const Task task = classification();
  Progress progress;
  progress.stop();
  EXPECT_THROW(score(model, TaskHead(task, {}), task,
                     labelled(drawn(5, kClasses, 1), some_labels(5)), {}, progress),
               Error);
}

TEST(TaskHead, OfAnotherWidthIsRefused) {
  const Task task = classification();
  const TaskHead head(task, at::zeros({3, 5}), at::zeros({3}));
  Batch batch;
  batch.values = at::zeros({2, kClasses});
  EXPECT_THAT(merganser::test::complaint([&] { head.logits(test::Echo(kClasses), batch); }),
              HasSubstr("the head takes vectors of 5, the model's have 4"));
}

}  // namespace
}  // namespace merganser::rt
