// Mixtures against the formula in f64, written out in loops.
#include "runtime/smile_linear.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "base/testing.h"
#include "runtime/model.h"
#include "runtime/smile_spec.h"
#include "runtime/weights.h"

namespace merganser::rt {
namespace {

using testing::HasSubstr;

struct Array {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};
using Arrays = std::map<std::string, Array>;

struct Form {
  std::string text;  // of the parameter in the test's name
  bool fusion_bench = false, dense = false, bias = false, expert_bias = false, transposed = false;
  std::int64_t per_token = 1, router = 2;
  std::vector<std::int64_t> ranks = {3, 3, 3};
};
void PrintTo(const Form& form, std::ostream* out) { *out << form.text; }

constexpr std::int64_t kIn = 7, kOut = 5;

class Made {
 public:
  explicit Made(const Form& of) : form(of), random_(1) {
    const std::int64_t experts = size();
    const std::string base = form.fusion_bench ? "m.shared_linear" : "m";
    if (form.transposed) {
      add(base + ".weight", {kIn, kOut});
    } else {
      add(base + ".weight", {kOut, kIn});
    }
    if (form.bias) add(base + ".bias", {kOut});
    if (form.fusion_bench) {
      add("m.gate.weight", {experts * form.router, kIn});
    } else if (experts > 1) {
      add("m.smile_router", {experts * form.router, kIn});
    }
    const std::int64_t rank = first(experts);
    if (form.fusion_bench) {
      for (std::int64_t e = 0; e < experts; ++e) {
        const std::string expert = fmt::format("m.experts.{}.", e);
        if (form.dense) {
          add(expert + "weight", {kOut, kIn});
        } else {
          add(expert + "u", {kOut, form.ranks[0]});
          add(expert + "svh", {form.ranks[0], kIn});
        }
        if (form.bias) add(expert + "bias", {kOut});
      }
    } else {
      if (form.dense) {
        add("m.smile_dense", {experts, kOut, kIn});
      } else if (rank > 0) {
        add("m.smile_in", {rank, kIn});
        add("m.smile_out", {rank, kOut});
      }
      if (form.expert_bias) add("m.smile_bias", {experts, kOut});
    }
  }

  std::int64_t size() const { return static_cast<std::int64_t>(form.ranks.size()); }
  std::int64_t first(std::int64_t expert) const {
    std::int64_t row = 0;
    for (std::int64_t e = 0; e < expert; ++e) row += form.ranks[static_cast<std::size_t>(e)];
    return row;
  }

  void add(const std::string& name, std::vector<std::int64_t> shape) {
    std::normal_distribution<float> normal;
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = normal(random_);
    arrays[name] = {std::move(shape), std::move(values)};
  }

  Json config() const {
    if (form.fusion_bench) {
      return {{"model_type", "smile_llama"},
              {"num_local_experts", size()},
              {"num_experts_per_tok", form.per_token},
              {"rank_of_router", form.router},
              {"rank_of_expert", form.dense ? -1 : form.ranks[0]}};
    }
    const Json module = {{"router_rank", form.router},
                         {"ranks", form.ranks},
                         {"bias", form.expert_bias},
                         {"dense", form.dense},
                         {"num_experts_per_tok", form.per_token}};
    std::vector<std::string> names;
    for (std::int64_t e = 0; e < size(); ++e) names.push_back(fmt::format("tune{}", e));
    return {{"model_type", "smile_llama"},
            {"smile",
             {{"version", 1},
              {"base_model_type", "llama"},
              {"num_experts", size()},
              {"num_experts_per_tok", 1},
              {"experts", names},
              {"modules", {{"m", module}}}}}};
  }

  // Experts, weights: those of a token, or none where its routers choose.
  std::vector<double> expected(const std::vector<double>& x,
                               const std::vector<double>& given) const {
    std::vector<double> y(kOut, 0);
    const std::string base = form.fusion_bench ? "m.shared_linear" : "m";
    for (std::int64_t o = 0; o < kOut; ++o) {
      for (std::int64_t i = 0; i < kIn; ++i) {
        y[o] += (form.transposed ? at(base + ".weight", i, o) : at(base + ".weight", o, i)) * x[i];
      }
      if (form.bias) y[o] += at(base + ".bias", 0, o);
    }
    const std::vector<double> weights = given.empty() ? routed(x) : given;
    for (std::int64_t e = 0; e < size(); ++e) {
      for (std::int64_t o = 0; o < kOut; ++o) {
        y[o] += weights[e] * expert(e, o, x);
      }
    }
    return y;
  }

  std::vector<double> lengths(const std::vector<double>& x) const {
    const std::string router = form.fusion_bench ? "m.gate.weight" : "m.smile_router";
    std::vector<double> lengths;
    for (std::int64_t e = 0; e < size(); ++e) {
      double square = 0;
      for (std::int64_t g = 0; g < form.router; ++g) {
        double along = 0;
        for (std::int64_t i = 0; i < kIn; ++i) along += at(router, e * form.router + g, i) * x[i];
        square += along * along;
      }
      lengths.push_back(std::sqrt(square));
    }
    return lengths;
  }

  Arrays arrays;
  Form form;

 private:
  double at(const std::string& name, std::int64_t row, std::int64_t column) const {
    const Array& array = arrays.at(name);
    return array.values[static_cast<std::size_t>(row * array.shape.back() + column)];
  }

  std::vector<double> routed(const std::vector<double>& x) const {
    if (size() == 1) return {1};
    const std::vector<double> r = lengths(x);
    std::vector<std::size_t> order(r.size());
    for (std::size_t e = 0; e < r.size(); ++e) order[e] = e;
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return r[a] > r[b]; });
    std::vector<double> weights(r.size(), 0);
    double sum = 0;
    for (std::int64_t k = 0; k < form.per_token; ++k) sum += std::exp(r[order[k]]);
    for (std::int64_t k = 0; k < form.per_token; ++k) {
      weights[order[k]] = std::exp(r[order[k]]) / sum;
    }
    return weights;
  }

  double expert(std::int64_t e, std::int64_t o, const std::vector<double>& x) const {
    double y = 0;
    const std::string own = fmt::format("m.experts.{}.", e);
    if (form.dense) {
      for (std::int64_t i = 0; i < kIn; ++i) {
        y += (form.fusion_bench ? at(own + "weight", o, i) : at("m.smile_dense", e * kOut + o, i)) *
             x[i];
      }
    } else {
      for (std::int64_t k = 0; k < form.ranks[e]; ++k) {
        double inside = 0;
        for (std::int64_t i = 0; i < kIn; ++i) {
          inside +=
              (form.fusion_bench ? at(own + "svh", k, i) : at("m.smile_in", first(e) + k, i)) *
              x[i];
        }
        y +=
            inside * (form.fusion_bench ? at(own + "u", o, k) : at("m.smile_out", first(e) + k, o));
      }
    }
    if (form.fusion_bench && form.bias) y += at(own + "bias", 0, o);
    if (!form.fusion_bench && form.expert_bias) y += at("m.smile_bias", e, o);
    return y;
  }

  std::mt19937 random_;
};

MemorySource source_of(const Arrays& arrays) {
  MemorySource source("mixture");
  for (const auto& [name, array] : arrays) {
    const Shape shape(array.shape.begin(), array.shape.end());
    std::vector<std::byte> bytes(array.values.size() * sizeof(float));
    std::memcpy(bytes.data(), array.values.data(), bytes.size());
    source.add({name, DType::f32, shape}, std::move(bytes));
  }
  return source;
}

struct Built {
  std::shared_ptr<Linear> linear;
  std::shared_ptr<Routing> routing;
  std::map<std::string, at::Tensor> tensors;
  const SmileLinear& mixture() const { return dynamic_cast<const SmileLinear&>(*linear); }
};

Built build(const Made& made, const Json& config, at::ScalarType type = at::kDouble) {
  const MemorySource source = source_of(made.arrays);
  Weights weights(source, {at::kCPU, type});
  auto spec = read_smile_spec(Config(config, "config.json"));
  weights.set_smile(std::move(*spec));
  Built built;
  built.linear = weights.linear("m", kIn, kOut, made.form.bias, {}, made.form.transposed);
  weights.finish();
  built.routing = weights.routing();
  built.tensors = weights.tensors();
  return built;
}
Built build(const Made& made) { return build(made, made.config()); }

at::Tensor inputs(std::int64_t rows, at::ScalarType type = at::kDouble) {
  std::mt19937 random(99);
  std::normal_distribution<double> normal;
  at::Tensor x = at::empty({rows, kIn}, at::kDouble);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.data_ptr<double>()[i] = normal(random);
  return x.to(type);
}

void expect_near(const Made& made, const at::Tensor& x, const at::Tensor& y,
                 const std::vector<double>& given = {}, double tolerance = 1e-12) {
  ASSERT_EQ(y.sizes(), at::IntArrayRef({x.size(0), kOut}));
  const at::Tensor wide_x = x.to(at::kDouble).contiguous(), wide_y = y.to(at::kDouble).contiguous();
  for (std::int64_t t = 0; t < x.size(0); ++t) {
    const double* row = wide_x.data_ptr<double>() + t * kIn;
    const std::vector<double> expected = made.expected({row, row + kIn}, given);
    for (std::int64_t o = 0; o < kOut; ++o) {
      ASSERT_NEAR(wide_y.data_ptr<double>()[t * kOut + o], expected[o], tolerance)
          << "row " << t << ", output " << o;
    }
  }
}

class EveryForm : public testing::TestWithParam<Form> {};

TEST_P(EveryForm, IsTheFormula) {
  const Made made(GetParam());
  const Built built = build(made);
  using Products = Routing::Products;
  for (const auto products :
       {Products::fastest, Products::each_for_its_tokens, Products::all_for_all}) {
    if (products == Products::all_for_all && !built.tensors.contains("m.smile_in")) continue;
    built.routing->products = products;
    for (const std::int64_t rows : {0, 1, 2, 40}) {
      const at::Tensor x = inputs(rows);
      expect_near(made, x, (*built.linear)(x));
    }
  }
}

TEST_P(EveryForm, TakesExpertsFromOutside) {
  const Made made(GetParam());
  const Built built = build(made);
  const at::Tensor x = inputs(9);
  for (std::int64_t e = 0; e < made.size(); ++e) {
    built.routing->expert = e;
    std::vector<double> one(static_cast<std::size_t>(made.size()), 0);
    one[static_cast<std::size_t>(e)] = 1;
    expect_near(made, x, (*built.linear)(x), one);
  }
  built.routing->set_free();
  std::vector<double> mixed;
  for (std::int64_t e = 0; e < made.size(); ++e) mixed.push_back(0.3 - 0.5 * e);
  built.routing->weights = mixed;
  expect_near(made, x, (*built.linear)(x), mixed);
  built.routing->weights.assign(mixed.size(), 0);
  expect_near(made, x, (*built.linear)(x), built.routing->weights);
  built.routing->set_free();
  expect_near(made, x, (*built.linear)(x));
}

TEST_P(EveryForm, GradientsDoNotDependOnTheProducts) {
  const Made made(GetParam());
  std::map<std::string, at::Tensor> first;
  for (const auto products :
       {Routing::Products::each_for_its_tokens, Routing::Products::all_for_all}) {
    Built built = build(made);
    if (products == Routing::Products::all_for_all && !built.tensors.contains("m.smile_in")) return;
    built.routing->products = products;
    for (auto& [name, tensor] : built.tensors) tensor.requires_grad_(true);
    (*built.linear)(inputs(20)).square().sum().backward();
    for (auto& [name, tensor] : built.tensors) {
      const bool chosen_only = made.form.per_token == 1 &&
                               (name.ends_with("smile_router") || name.ends_with("gate.weight"));
      if (chosen_only || made.size() == 1) continue;  // their weight is 1, whatever the lengths
      ASSERT_TRUE(tensor.grad().defined()) << name;
      if (first.contains(name)) {
        EXPECT_TRUE(at::allclose(first[name], tensor.grad(), 1e-9, 1e-9)) << name;
      } else {
        first[name] = tensor.grad();
      }
    }
  }
  EXPECT_TRUE(made.size() == 1 || !first.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Mixtures, EveryForm,
    testing::Values(
        Form{.text = "factors"}, Form{.text = "two_per_token", .per_token = 2},
        Form{.text = "all_per_token", .per_token = 3},
        Form{.text = "biases", .bias = true, .expert_bias = true},
        Form{.text = "bias_of_the_base_alone", .bias = true, .per_token = 2},
        Form{.text = "biases_where_the_base_has_none", .expert_bias = true, .per_token = 2},
        Form{.text = "ranks_that_differ", .per_token = 2, .ranks = {1, 0, 5}},
        Form{.text = "ranks_of_zero", .expert_bias = true, .ranks = {0, 0}},
        Form{.text = "nothing", .ranks = {0, 0}},
        Form{.text = "dense", .dense = true, .per_token = 2, .ranks = {0, 0, 0}},
        Form{.text = "dense_biases",
             .dense = true,
             .bias = true,
             .expert_bias = true,
             .ranks = {0, 0}},
        Form{.text = "one_expert", .bias = true, .expert_bias = true, .ranks = {4}},
        Form{.text = "transposed",
             .bias = true,
             .expert_bias = true,
             .transposed = true,
             .per_token = 2},
        Form{.text = "router_of_one", .router = 1, .ranks = {2, 2, 2, 2}},
        Form{.text = "fusion_bench", .fusion_bench = true},
        Form{.text = "fusion_bench_two", .fusion_bench = true, .per_token = 2},
        Form{.text = "fusion_bench_biases", .fusion_bench = true, .bias = true, .per_token = 2},
        Form{.text = "fusion_bench_dense", .fusion_bench = true, .dense = true, .bias = true},
        Form{.text = "fusion_bench_one", .fusion_bench = true, .ranks = {2}}),
    [](const auto& test) { return test.param.text; });

TEST(SmileLinear, KeepsTheInputsOtherAxes) {
  const Made made({.ranks = {2, 2}});
  const Built built = build(made);
  const at::Tensor x = inputs(12);
  EXPECT_TRUE((*built.linear)(x.view({3, 4, kIn})).equal((*built.linear)(x).view({3, 4, kOut})));
}

struct Heard : RouteListener {
  void chose(const SmileLinear& layer, const at::Tensor& experts) override {
    names.push_back(layer.name);
    choices.push_back(experts);
  }
  std::vector<std::string> names;
  std::vector<at::Tensor> choices;
};

TEST(SmileLinear, TellsWhatItsRouterChooses) {
  const Made made({.per_token = 2, .ranks = {2, 0, 1}});
  const Built built = build(made);
  Heard heard;
  built.routing->listener = &heard;
  const at::Tensor x = inputs(12);
  (*built.linear)(x.view({3, 4, kIn}));
  ASSERT_EQ(heard.choices.size(), 1u);
  EXPECT_EQ(heard.names[0], "m");
  ASSERT_EQ(heard.choices[0].sizes(), at::IntArrayRef({3, 4, 2}));
  const at::Tensor rows = heard.choices[0].reshape({12, 2});
  for (std::int64_t t = 0; t < 12; ++t) {
    const double* row = x.data_ptr<double>() + t * kIn;
    const std::vector<double> r = made.lengths({row, row + kIn});
    const auto best = rows[t][0].item<std::int64_t>(), next = rows[t][1].item<std::int64_t>();
    EXPECT_EQ(r[best], *std::ranges::max_element(r));
    EXPECT_EQ(std::ranges::count_if(r, [&](double each) { return each > r[next]; }), 1);
  }
  built.routing->expert = 0;  // no choice
  (*built.linear)(x);
  EXPECT_EQ(heard.choices.size(), 1u);
}

TEST(SmileLinear, OfEquallyLongProjectionsTheFirst) {
  Made made({.router = 2, .ranks = {1, 1, 1}});
  std::ranges::fill(made.arrays["m.smile_router"].values, 0.0f);
  const Built built = build(made);
  const auto [chosen, weights] = built.mixture().route(inputs(5));
  EXPECT_TRUE(chosen.eq(0).all().item<bool>());
  EXPECT_TRUE(weights.eq(1).all().item<bool>());
}

TEST(SmileLinear, ExpertsOfZerosAreTheBaseBitForBitUntilTheyChange) {
  for (const bool fusion_bench : {false, true}) {
    Made made({.fusion_bench = fusion_bench, .bias = fusion_bench, .ranks = {2, 2}});
    for (auto& [name, array] : made.arrays) {
      if (name.find("experts") != name.npos || name.ends_with("smile_in")) {
        std::ranges::fill(array.values, 0.0f);
      }
    }
    Built built = build(made);
    const at::Tensor x = inputs(6);
    const std::string base = fusion_bench ? "m.shared_linear" : "m";
    const at::Tensor bias = fusion_bench ? built.tensors[base + ".bias"] : at::Tensor();
    const at::Tensor expected = at::linear(x, built.tensors[base + ".weight"], bias);
    EXPECT_TRUE((*built.linear)(x).equal(expected));
    Heard heard;
    built.routing->listener = &heard;  // who counts is told all the same
    EXPECT_TRUE((*built.linear)(x).equal(expected));
    EXPECT_EQ(heard.choices.size(), 1u);
    built.tensors[fusion_bench ? "m.experts.0.bias" : "m.smile_in"].fill_(1);
    EXPECT_FALSE((*built.linear)(x).equal(expected));
  }
}

TEST(SmileLinear, RoutesInF32WhereWeightsHave16Bits) {
  const Made made({.ranks = {2, 2, 2}});
  const Built built = build(made, made.config(), at::kBFloat16);
  const at::Tensor x = inputs(30, at::kBFloat16);
  EXPECT_EQ(built.mixture().router_logits(x).scalar_type(), at::kFloat);
  const at::Tensor y = (*built.linear)(x);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  Made rounded = made;  // what the layer holds
  for (auto& [name, array] : rounded.arrays) {
    const at::Tensor held = built.tensors.at(name).to(at::kFloat).contiguous();
    std::copy_n(held.data_ptr<float>(), held.numel(), array.values.begin());
  }
  expect_near(rounded, x, y, {}, 0.1);
}

std::string refusal(const Made& made, const Json& config) {
  try {
    build(made, config);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(SmileLinear, RefusesTensorsThatAreMissingMisshapenOrTooMany) {
  for (const bool fusion_bench : {false, true}) {
    const Form form{.fusion_bench = fusion_bench,
                    .bias = fusion_bench,
                    .expert_bias = !fusion_bench,
                    .ranks = {2, 2}};
    const Made whole(form);
    ASSERT_EQ(refusal(whole, whole.config()), "");
    for (const auto& [name, array] : whole.arrays) {
      if (name == "m.shared_linear.weight") continue;  // then it is no mixture at all
      Made made = whole;
      made.arrays.erase(name);
      EXPECT_THAT(refusal(made, made.config()), HasSubstr(name));
      made = whole;
      made.arrays[name].shape.front() += 1;
      made.arrays[name].values.resize(made.arrays[name].values.size() * 2 + 8);
      std::int64_t count = 1;
      for (const std::int64_t size : made.arrays[name].shape) count *= size;
      made.arrays[name].values.resize(static_cast<std::size_t>(count));
      EXPECT_THAT(refusal(made, made.config()), HasSubstr(name));
    }
    Made more = whole;
    const std::string extra = fusion_bench ? "m.experts.2.u" : "m.smile_dense";
    more.add(extra, {2, 2});
    EXPECT_THAT(refusal(more, more.config()), HasSubstr(extra));
  }
}

TEST(SmileLinear, RefusesConfigsThatContradictThemselves) {
  const Made made({.ranks = {2, 2}});
  const auto with = [&](const char* pointer, const Json& value) {
    Json config = made.config();
    config[Json::json_pointer(pointer)] = value;
    return refusal(made, config);
  };
  EXPECT_THAT(with("/smile/version", 2), HasSubstr("version 2"));
  EXPECT_THAT(with("/smile/num_experts", 3), HasSubstr("2 names for 3 experts"));
  EXPECT_THAT(with("/smile/num_experts", -3), HasSubstr("num_experts"));
  EXPECT_THAT(with("/smile/num_experts_per_tok", 3), HasSubstr("num_experts_per_tok"));
  EXPECT_THAT(with("/smile/modules", Json::object()), HasSubstr("modules"));
  EXPECT_THAT(with("/smile/modules/m", 3), HasSubstr("m: "));
  EXPECT_THAT(with("/smile/modules/m/num_experts_per_tok", 0), HasSubstr("0 experts per token"));
  EXPECT_THAT(with("/smile/modules/m/ranks", {2}), HasSubstr("1 ranks for 2 experts"));
  EXPECT_THAT(with("/smile/modules/m/ranks", {2, -1}), HasSubstr("negative"));
  EXPECT_THAT(with("/smile/modules/m/router_rank", 0), HasSubstr("router"));
  EXPECT_THAT(with("/smile/modules/n", made.config()["smile"]["modules"]["m"]),
              HasSubstr("'n' is no linear layer"));
}

TEST(SmileLinear, IsNotDrawnAtRandom) {
  Weights weights(std::uint64_t{1}, {});
  const Json config = Made({.ranks = {2, 2}}).config();
  EXPECT_THROW(weights.set_smile(*read_smile_spec(Config(config, "config.json"))), Error);
}

TEST(SmileSpec, TheBasesConfigIsThatOfAnOrdinaryModel) {
  const Json config = {{"model_type", "smile_llama"},
                       {"architectures", {"SmileLlamaForCausalLM"}},
                       {"hidden_size", 8}};
  const Json base = base_config(config);
  EXPECT_EQ(base["model_type"], "llama");
  EXPECT_EQ(base["architectures"], Json({"LlamaForCausalLM"}));
  EXPECT_EQ(base["hidden_size"], 8);
  EXPECT_FALSE(read_smile_spec(Config(base, "config.json")));
}

}  // namespace
}  // namespace merganser::rt
