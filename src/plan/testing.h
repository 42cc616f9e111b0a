// For tests of plan and execute: tiny checkpoints on disk, recipes beside them, plans of both.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/testing.h"
#include "checkpoint/testing.h"
#include "methods/registry.h"
#include "plan/plan.h"
#include "recipe/parse.h"

namespace merganser::test {

inline TestTensor f32(std::string name, Shape shape) {
  return {std::move(name), DType::f32, shape};
}

// A Llama of hidden size 4 with as few tensors as make one.
inline std::vector<TestTensor> llama(std::size_t layers, const std::string& prefix = "model.",
                                     bool head = true) {
  std::vector<TestTensor> tensors = {f32(prefix + "embed_tokens.weight", {8, 4}),
                                     f32(prefix + "norm.weight", {4})};
  if (head) tensors.push_back(f32("lm_head.weight", {8, 4}));
  for (std::size_t l = 0; l < layers; ++l) {
    for (const auto& [stem, shape] :
         std::map<std::string, Shape>{{"self_attn.q_proj.weight", {4, 4}},
                                      {"mlp.up_proj.weight", {6, 4}},
                                      {"input_layernorm.weight", {4}}}) {
      tensors.push_back(f32(prefix + "layers." + std::to_string(l) + "." + stem, shape));
    }
  }
  return tensors;
}

inline Json llama_config(std::size_t layers, bool tied = false) {
  return Json::parse(R"({"zeta": 1, "architectures": ["LlamaForCausalLM"], "model_type": "llama",
    "hidden_size": 4, "vocab_size": 8, "tie_word_embeddings": )" +
                     std::string(tied ? "true" : "false") + R"(, "num_hidden_layers": )" +
                     std::to_string(layers) + R"(, "torch_dtype": "float32"})");
}

inline std::vector<TestTensor> bert(std::size_t layers, const std::string& prefix) {
  std::vector<TestTensor> tensors = {f32(prefix + "embeddings.word_embeddings.weight", {8, 4}),
                                     f32(prefix + "embeddings.LayerNorm.weight", {4}),
                                     f32(prefix + "pooler.dense.weight", {4, 4})};
  for (std::size_t l = 0; l < layers; ++l) {
    const std::string layer = prefix + "encoder.layer." + std::to_string(l) + ".";
    tensors.push_back(f32(layer + "attention.self.query.weight", {4, 4}));
    tensors.push_back(f32(layer + "output.dense.weight", {4, 6}));
  }
  return tensors;
}

inline Json bert_config(std::size_t layers, const std::string& of = "BertModel") {
  return Json{{"architectures", {of}}, {"model_type", "bert"}, {"num_hidden_layers", layers}};
}

// A folder of models and recipes.
class Bench {
 public:
  // A null config: none is written.
  std::filesystem::path model(const std::string& name, const std::vector<TestTensor>& tensors,
                              const Json& config = nullptr) {
    write_safetensors(folder_ / name / "model.safetensors", tensors);
    if (!config.is_null()) write_file(folder_ / name / "config.json", config.dump(2));
    return folder_ / name;
  }
  std::filesystem::path llama_model(const std::string& name, std::size_t layers) {
    return model(name, llama(layers), llama_config(layers));
  }

  Recipe recipe(std::string_view text) const {
    return parse_recipe(text, (folder_ / "recipe.yml").string());
  }
  Plan plan(std::string_view text, const PlanOptions& options = {}) const {
    Recipe parsed = recipe(text);
    const Descriptor& method = require_method(parsed.method);
    return make_plan(std::move(parsed), method, options);
  }
  std::string complaint_of(std::string_view text, const PlanOptions& options = {}) const {
    return complaint([&] { plan(text, options); });
  }

  const std::filesystem::path& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

inline const PlanJob& job(const Plan& plan, std::string_view name) {
  for (const PlanJob& one : plan.jobs) {
    if (one.output.name == name) return one;
  }
  throw std::runtime_error("no job " + std::string(name));
}

inline std::vector<std::string> names_of(const Plan& plan) {
  std::vector<std::string> names;
  for (const PlanJob& one : plan.jobs) names.push_back(one.output.name);
  return names;
}

inline std::string input_name(const Plan& plan, const PlanInput& input) {
  return plan.models[input.model].ref.path + ":" +
         plan.models[input.model].headers()[input.tensor].name;
}

inline std::vector<std::string> input_names(const Plan& plan, const PlanJob& one) {
  std::vector<std::string> names;
  for (const PlanInput& input : one.inputs) names.push_back(input_name(plan, input));
  return names;
}

// "model:tensor" of all that is listed as left out.
inline std::vector<std::string> left_out(const Plan& plan) {
  std::vector<std::string> names;
  for (const LeftOut& entry : plan.left_out) {
    EXPECT_FALSE(entry.reason.empty());
    names.push_back(plan.models[entry.model].ref.path + ":" + entry.tensor);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Every input tensor is named by a job or listed as left out, and not both.
inline void expect_complete(const Plan& plan) {
  std::set<std::pair<std::size_t, std::size_t>> named;
  for (const PlanJob& one : plan.jobs) {
    for (const PlanInput& input : one.inputs) named.insert({input.model, input.tensor});
    for (const PlanInput& input : one.unread) named.insert({input.model, input.tensor});
    if (one.base) named.insert({one.base->model, one.base->tensor});
  }
  const std::vector<std::string> out = left_out(plan);
  EXPECT_TRUE(std::adjacent_find(out.begin(), out.end()) == out.end()) << "listed twice";
  for (std::size_t m = 0; m < plan.models.size(); ++m) {
    const auto& headers = plan.models[m].headers();
    for (std::size_t t = 0; t < headers.size(); ++t) {
      const std::string name = plan.models[m].ref.path + ":" + headers[t].name;
      const bool listed = std::binary_search(out.begin(), out.end(), name);
      EXPECT_NE(named.contains({m, t}), listed) << name << (listed ? " is both" : " is neither");
    }
  }
}

}  // namespace merganser::test
