// For this layer's tests: made checkpoints, a made-up method, and the plan of merging them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/testing.h"
#include "checkpoint/testing.h"
#include "method/descriptor.h"
#include "plan/plan.h"
#include "recipe/parse.h"

namespace merganser::test {

inline const Descriptor& mean_method() {
  static const Descriptor method = [] {
    Descriptor d;
    d.name = "mean";
    d.title = "Mean | of *models*";
    d.summary = "Adds the models up.";
    d.formula = "sum of w_i x_i";
    d.paper = "Nobody 2020";
    Parameter weight;
    weight.name = "weight";
    weight.scope = ParameterScope::per_input;
    weight.fallback = Value(1.0);
    d.parameters = {weight};
    d.outline = [](const MergeTensor& tensor) {
      return Outline::of_all(tensor.settings.per_input.size(), 1);
    };
    return d;
  }();
  return method;
}

inline constexpr const char* kConfigText =
    "{\n  \"zeta\": 1,\n  \"architectures\": [\"MadeUp\"],\n  \"torch_dtype\": \"float32\"\n}\n";

// Models "base" and "tune" of one tensor, and a recipe that merges them.
class Models {
 public:
  explicit Models(const std::string& config = kConfigText) {
    for (const char* name : {"base", "tune"}) {
      write_safetensors(folder / name / "model.safetensors", {{"net.weight", DType::f32, {2, 2}}});
      write_file(folder / name / "config.json", config);
    }
  }

  std::filesystem::path base() const { return folder / "base"; }
  std::filesystem::path tune() const { return folder / "tune"; }
  std::filesystem::path out() const { return folder / "out"; }

  std::string text(const std::string& more = "") const {
    return "merge_method: mean\nbase_model: " + base().string() +
           "\nmodels:\n- model: " + base().string() + "\n- {model: " + tune().string() +
           ", parameters: {weight: 0.25}}\n" + more;
  }

  Plan plan(const std::string& more = "", const PlanOptions& options = {}) const {
    return make_plan(parse_recipe(text(more), "r.yml"), mean_method(), options);
  }

  TemporaryFolder folder;
};

// Two files without a config.
class Files {
 public:
  Files() {
    for (const char* name : {"a.safetensors", "b.safetensors"}) {
      write_safetensors(folder / name, {{"x", DType::f32, {2}}});
    }
  }

  Plan plan() const {
    const std::string text =
        "merge_method: mean\nmodels:\n- model: " + (folder / "a.safetensors").string() +
        "\n- model: " + (folder / "b.safetensors").string() + "\n";
    return make_plan(parse_recipe(text, "r.yml"), mean_method(), {});
  }

  TemporaryFolder folder;
};

inline std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

}  // namespace merganser::test
