#include "search/mixed_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"
#include "runtime/testing.h"

namespace merganser::rt {
namespace {

using ::testing::HasSubstr;

Json config(const char* norm = "batch", int width = 5) {
  return {{"model_type", "mlp"},
          {"input_shape", {3}},
          {"hidden_sizes", {width, 4}},
          {"num_labels", 2},
          {"norm", norm}};
}

using Copies = std::map<std::string, at::Tensor>;

Copies copies(const Model& model) {
  Copies copied;
  for (const auto& [name, tensor] : model.tensors()) copied[name] = tensor.clone();
  return copied;
}

TEST(MixedModel, TheEndsAreTheModelsBitForBit) {
  auto a = testing::draw(config(), 1), b = testing::draw(config(), 2);
  const Copies first = copies(*a), second = copies(*b);
  MixedModel mixed({a.get(), b.get()}, {"a", "b"});
  mixed.set({0.3, 0.7}, {0.3, 0.7});
  mixed.set({0, 1}, {0, 1});
  for (const auto& [name, tensor] : a->tensors())
    EXPECT_TRUE(tensor.equal(second.at(name))) << name;
  mixed.set({1, 0}, {1, 0});
  for (const auto& [name, tensor] : a->tensors()) EXPECT_TRUE(tensor.equal(first.at(name))) << name;
  for (const auto& [name, tensor] : b->tensors()) {
    EXPECT_TRUE(tensor.equal(second.at(name))) << name << " of the second model was written to";
  }
}

TEST(MixedModel, StatisticsHaveTheirOwnCoefficients) {
  auto a = testing::draw(config(), 1), b = testing::draw(config(), 2);
  at::Tensor(b->tensors().at("layers.0.norm.running_mean")).fill_(4);
  at::Tensor(b->tensors().at("layers.0.norm.running_var")).fill_(3);
  const Copies first = copies(*a), second = copies(*b);
  MixedModel mixed({a.get(), b.get()}, {"a", "b"});
  mixed.set({0.5, 0.75}, {0.5, 0.5});
  EXPECT_TRUE(a->tensors().at("layers.0.norm.running_mean").eq(2).all().item<bool>());
  const at::Tensor expected =
      first.at("layers.0.linear.weight") * 0.5 + second.at("layers.0.linear.weight") * 0.75;
  EXPECT_TRUE(a->tensors().at("layers.0.linear.weight").allclose(expected, 1e-6));
  // 1 (of A) * 3 - 3 (of B) * 2
  mixed.set({3, -2}, {3, -2});
  EXPECT_TRUE(a->tensors().at("layers.0.norm.running_var").eq(0).all().item<bool>());
}

TEST(MixedModel, GramIsOfAllParametersAndNoStatistics) {
  auto a = testing::draw(config(), 1), b = testing::draw(config(), 2);
  at::Tensor(b->tensors().at("layers.0.norm.running_mean")).fill_(100);
  double inner = 0;
  for (const auto& [name, tensor] : a->tensors()) {
    if (name.find("running") != std::string::npos) continue;
    inner += (tensor.to(at::kDouble) * b->tensors().at(name).to(at::kDouble)).sum().item<double>();
  }
  const Gram gram = MixedModel({a.get(), b.get()}, {"a", "b"}).gram();
  EXPECT_NEAR(gram[0][1], inner, 1e-9);
  EXPECT_EQ(gram[0][1], gram[1][0]);
  EXPECT_LT(gram[1][1], 1000);
}

TEST(MixedModel, ModelsOfOtherArchitecturesAreRefused) {
  auto a = testing::draw(config()), wide = testing::draw(config("batch", 6)),
       plain = testing::draw(config("none")), llama = testing::draw(testing::tiny_config("llama"));
  const auto complaint = [&](Model& other) {
    return test::complaint([&] { MixedModel({a.get(), &other}, {"a", "other"}); });
  };
  EXPECT_THAT(complaint(*wide),
              HasSubstr("mismatch: other: tensor 'layers.0.linear.bias': it is [6], in a"));
  EXPECT_THAT(complaint(*plain), HasSubstr("it lacks what a has"));
  EXPECT_THAT(complaint(*llama), HasSubstr("it is a llama model, a is a mlp model"));
  EXPECT_THAT(test::complaint([&] {
                MixedModel({plain.get(), a.get()}, {"plain", "a"});
              }),
              HasSubstr("plain has no such tensor"));
}

}  // namespace
}  // namespace merganser::rt
