#include "analyze/losses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "analyze/analysis.h"
#include "analyze/testing.h"
#include "execute/engine.h"
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

// What is merged in chunks and as a whole, and compared in pieces, against the merge itself.
TEST(Losses, LikeThoseOfTheMergedModel) {
  TestModels models;
  const Shape shape{700, 300};
  std::vector<std::vector<double>> weights;
  for (unsigned m = 0; m < 3; ++m) {
    weights.push_back(normal_numbers(elements(shape), m));
    models.add({{"model.layers.0.self_attn.q_proj.weight", shape, weights.back()}});
  }
  const AnalysisInputs inputs = models.inputs();
  for (const char* name : {"linear", "ties", "isotropic"}) {
    const AnalysedMethod of = method(inputs, name, {{"weight", 0.5}, {"density", 0.4}});
    const auto lost = losses(inputs, of, 2)[0].lost[0];
    MemorySink sink(*of.plan);
    Progress progress;
    run_plan(*of.plan, plan_budget(*of.plan, 0, 1), {HashKind::none, NonFinite::ignore, {}}, sink,
             progress);
    std::vector<double> merged(elements(shape));
    sink.take("merged").read(0, 0, std::as_writable_bytes(std::span(merged)));
    for (std::size_t i = 0; i < 2; ++i) {
      double wanted = 0;
      for (std::size_t e = 0; e < merged.size(); ++e) {
        const double left = (weights[i + 1][e] - weights[0][e]) - (merged[e] - weights[0][e]);
        wanted += left * left;
      }
      EXPECT_NEAR(*lost[i] / wanted, 1, 1e-11) << name;
    }
  }
}

// The plan has opened the models for itself, as that of a recipe has.
TEST(Losses, WhatTheMergeReadsIsNotReadAgain) {
  TestModels models;
  const Shape shape{300, 700};
  const std::uint64_t bytes = elements(shape) * sizeof(double);
  for (unsigned m = 0; m < 3; ++m) {
    models.add({{"w", shape, normal_numbers(elements(shape), m)}});
  }
  const AnalysisInputs merged = models.inputs();
  const auto read = [&](const char* name) {
    AnalysisInputs compared = models.inputs();
    std::vector<std::shared_ptr<const CountedSource>> sources;
    for (PlanModel& model : compared.plan.models) sources.push_back(counted(model));
    losses(compared, method(merged, name, {{"weight", 1.0}, {"density", 0.5}}), 2);
    std::vector<std::uint64_t> counts;
    for (const auto& source : sources) counts.push_back(source->bytes());
    return counts;
  };
  EXPECT_THAT(read("ties"), testing::ElementsAre(0, 0, 0));
  EXPECT_THAT(read("linear"), testing::ElementsAre(bytes, 0, 0));  // takes no base
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
