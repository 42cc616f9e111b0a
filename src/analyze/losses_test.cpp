#include "analyze/losses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "analyze/analysis.h"
#include "analyze/testing.h"
#include "methods/registry.h"

namespace merganser::test {
namespace {

const Descriptor& find(std::string_view name) { return require_method(name); }

AnalysedMethod method(const AnalysisInputs& inputs, const char* name,
                      std::vector<std::pair<std::string, Value>> parameters) {
  AnalysedMethod one;
  one.name = one.label = name;
  one.plan = plan_method(inputs, require_method(name), parameters, 7);
  return one;
}

std::vector<TensorFigures> losses(const AnalysisInputs& inputs, const AnalysedMethod& of,
                                  unsigned threads) {
  Progress progress;
  std::vector<TensorFigures> figures(inputs.tensors.size());
  add_losses(inputs, of, figures, threads, progress);
  return figures;
}

// W_0 = (1, 1), W_1 = (2, 1), W_2 = (1, 5): the average is (1.5, 3).
TEST(Losses, ByHand) {
  TestModels models;
  models.add({{"w", {2}, {1, 1}}});
  models.add({{"w", {2}, {2, 1}}});
  models.add({{"w", {2}, {1, 5}}});
  const AnalysisInputs inputs = models.inputs();
  auto lost = losses(inputs, method(inputs, "linear", {{"weight", 1.0}}), 1)[0].lost[0];
  EXPECT_DOUBLE_EQ(*lost[0], 0.25 + 4);
  EXPECT_DOUBLE_EQ(*lost[1], 0.25 + 4);
  // The sum of both task vectors is (1, 4).
  lost = losses(inputs, method(inputs, "task_arithmetic", {{"weight", 1.0}}), 1)[0].lost[0];
  EXPECT_DOUBLE_EQ(*lost[0], 16);
  EXPECT_DOUBLE_EQ(*lost[1], 1);
}

TEST(Losses, TheSameForAnyNumberOfThreads) {
  TestModels models;
  for (unsigned m = 0; m < 3; ++m) {
    models.add({{"a", {700, 600}, normal_numbers(420000, m)}, {"b", {9}, normal_numbers(9, m)}});
  }
  const AnalysisInputs inputs = models.inputs();
  for (const char* name : {"ties", "dare_ties"}) {
    const AnalysedMethod of = method(inputs, name, {{"weight", 0.5}, {"density", 0.4}});
    const auto one = losses(inputs, of, 1), four = losses(inputs, of, 4);
    for (std::size_t t = 0; t < 2; ++t) {
      EXPECT_EQ(one[t].lost[0], four[t].lost[0]);
      EXPECT_GT(*one[t].lost[0][0], 0);
    }
  }
}

// Every usual method goes through, and the ones from spectra tell what is known.
TEST(Losses, OfTheUsualMethods) {
  TestModels models;
  for (unsigned m = 0; m < 3; ++m) {
    models.add({{"model.layers.0.self_attn.q_proj.bias", {6}, normal_numbers(6, 30 + m)},
                {"model.layers.0.self_attn.q_proj.weight", {6, 4}, normal_numbers(24, m)},
                {"model.layers.1.self_attn.q_proj.weight", {6, 4}, normal_numbers(24, 10 + m)},
                {"model.norm.weight", {4}, normal_numbers(4, 20 + m)}});
  }
  AnalysisInputs inputs = models.inputs();
  Progress progress;
  AnalysisSettings settings;
  settings.rank = 2;
  settings.memory = 1 << 30;
  std::vector<AnalysedMethod> usual = usual_methods(inputs, 0, settings.rank, find);
  const Analysis analysis = analyse(std::move(inputs), std::move(usual), settings, progress);
  ASSERT_EQ(analysis.methods.size(), 6u);
  EXPECT_THAT(analysis.notes, testing::IsEmpty());
  for (const auto& method : analysis.total.losses) {
    for (const auto& loss : method) ASSERT_TRUE(loss);
  }
  const auto& smile = analysis.tensors;
  EXPECT_EQ(*smile[0].losses[5][0], 0);  // the bias: experts carry it
  const auto& spectrum = *analysis.figures[1].changes[0].spectrum;
  EXPECT_DOUBLE_EQ(*smile[1].losses[5][0], spectrum.residual());
  EXPECT_EQ(*smile[3].losses[5][0], 1);  // the norm: they do not
  // 1, 2: as far as the spectra tell. 58 parameters; 2 (6 + 4) a rank and layer, routers of all 4
  // vectors with 4 entries each, differences of the bias.
  ASSERT_EQ(analysis.curve.size(), 2u);
  EXPECT_EQ(analysis.curve[1].parameters, 58u + 2 * (2 * (2 * 10 + 16) + 6));
  double lost = 0, linear = 0;
  for (const std::size_t t : {1, 2}) {
    const ChangeSums& change = analysis.figures[t].changes[0];
    lost += change.spectrum->left(2);
    linear += change.squared;
  }
  EXPECT_DOUBLE_EQ(*analysis.curve[1].errors_linear[0], std::sqrt(lost / linear));
}

}  // namespace
}  // namespace merganser::test
