#include "analyze/inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <utility>

#include "architecture/weight_layout.h"
#include "base/error.h"
#include "plan/models.h"
#include "smile/candidates.h"

namespace merganser {
namespace {

constexpr std::string_view kWeight = ".weight", kBias = ".bias";

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Norms are known by role in known families, and in others by the names that all of them use. The
// linear layer of an adaptive norm has such a name as well, and is none.
bool is_norm(const TensorPlace& place, const std::string& name, const Shape& shape) {
  if (place.role.starts_with("norm.")) return true;
  return shape.size() < 2 &&
         (contains(name, "norm") || contains(name, ".ln_") || name.starts_with("ln_"));
}

Part part_of(const TensorPlace& place, const std::string& given, const Shape& shape) {
  const std::string name = lower(given);
  if (is_norm(place, name, shape)) return Part::norm;
  if (is_table(place, name)) return Part::embedding;
  if (name.ends_with("bias")) return Part::bias;
  if (place.place == Place::layer) return shape.size() == 2 ? Part::linear : Part::other;
  if (place.place == Place::embed && shape.size() == 2) return Part::embedding;
  if (place.place == Place::head && shape.size() == 2) return Part::head;
  return Part::other;
}

std::string role_of(const TensorPlace& place) {
  std::string role = place.role.empty() ? place.stem : place.role;
  if (role.ends_with(kWeight)) role.resize(role.size() - kWeight.size());
  return role;
}

class Matcher {
 public:
  explicit Matcher(std::vector<PlanModel> models) { inputs_.plan.models = std::move(models); }

  AnalysisInputs run() {
    std::vector<PlanModel>& models = inputs_.plan.models;
    try {
      bridge_names(models, 0, false, inputs_.notes);
    } catch (Error& error) {
      error.hint("only fine-tunes of the base can be compared with it");
      throw;
    }
    for (const PlanModel& model : models) {
      std::map<std::string, std::size_t> names;
      for (std::size_t i = 0; i < model.names.size(); ++i) names.emplace(model.names[i], i);
      by_name_.push_back(std::move(names));
    }
    for (const auto& [name, index] : by_name_[0]) add(name, index);
    for (std::size_t m = 1; m < models.size(); ++m) {
      for (const auto& [name, index] : by_name_[m]) {
        if (!by_name_[0].contains(name)) leave_out(m, index, "not in the base");
      }
    }
    if (inputs_.tensors.empty()) {
      throw Error(ErrorKind::mismatch, "no tensor fits those of the base")
          .in_file(models[1].path.string())
          .hint("only fine-tunes of the base can be compared with it");
    }
    find_expert_biases();
    name_modules();
    return std::move(inputs_);
  }

 private:
  void leave_out(std::size_t model, std::size_t tensor, std::string reason) {
    inputs_.left_out.push_back(
        {model, inputs_.plan.models[model].headers()[tensor].name, std::move(reason)});
  }

  void add(const std::string& name, std::size_t index) {
    const PlanModel& base = inputs_.plan.models[0];
    const TensorInfo& info = base.headers()[index];
    if (!is_float(info.dtype)) return leave_out(0, index, "integers are not compared");
    AnalysedTensor tensor;
    for (std::size_t m = 1; m < inputs_.plan.models.size(); ++m) {
      const auto found = by_name_[m].find(name);
      if (found == by_name_[m].end()) {
        return leave_out(0, index, fmt::format("not in {}", inputs_.name(m - 1)));
      }
      const TensorInfo& other = inputs_.plan.models[m].headers()[found->second];
      if (other.shape != info.shape) {
        return leave_out(m, found->second,
                         fmt::format("shape {} does not fit {} of the base", to_string(other.shape),
                                     to_string(info.shape)));
      }
      if (!is_float(other.dtype)) {
        return leave_out(m, found->second, "integers, where the base has floats");
      }
      tensor.models.push_back({m, found->second});
    }
    tensor.name = name;
    tensor.place = base.architecture.place(name);
    tensor.role = role_of(tensor.place);
    tensor.part = part_of(tensor.place, name, info.shape);
    tensor.shape = info.shape;
    tensor.dtype = info.dtype;
    tensor.base = {0, index};
    if (tensor.part == Part::linear) {
      tensor.transposed = is_input_first(base.architecture, name);
      tensor.upscaled = can_have_experts(tensor.place, name, info.shape);
    }
    inputs_.tensors.push_back(std::move(tensor));
  }

  // An encoder and a decoder both have a layer 3.
  void name_modules() {
    std::set<std::size_t> modules;
    for (const AnalysedTensor& tensor : inputs_.tensors) {
      if (tensor.place.layer) modules.insert(tensor.place.module);
    }
    if (modules.size() < 2) return;
    for (AnalysedTensor& tensor : inputs_.tensors) {
      if (!tensor.place.layer) continue;
      tensor.module = inputs_.plan.models[0].architecture.modules()[tensor.place.module].name;
    }
  }

  void find_expert_biases() {
    std::map<std::string, bool> modules;
    for (const AnalysedTensor& tensor : inputs_.tensors) {
      if (tensor.upscaled) modules[tensor.name.substr(0, tensor.name.size() - kWeight.size())];
    }
    for (AnalysedTensor& tensor : inputs_.tensors) {
      if (!tensor.name.ends_with(kBias)) continue;
      tensor.expert_bias =
          modules.contains(tensor.name.substr(0, tensor.name.size() - kBias.size()));
    }
  }

  AnalysisInputs inputs_;
  std::vector<std::map<std::string, std::size_t>> by_name_;
};

}  // namespace

std::string_view name_of(Part part) {
  switch (part) {
    case Part::linear:
      return "linear";
    case Part::embedding:
      return "embedding";
    case Part::head:
      return "head";
    case Part::norm:
      return "norm";
    case Part::bias:
      return "bias";
    case Part::other:
      return "other";
  }
  return "other";
}

std::string AnalysisInputs::name(std::size_t model) const {
  return plan.models[model + 1].ref.to_string();
}

std::string AnalysisInputs::short_name(std::size_t model) const {
  const auto last = [this](std::size_t index) {
    const ModelRef& ref = plan.models[index].ref;
    std::string path = ref.lora_path.empty() ? ref.path : ref.lora_path;
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    const std::string name = path.substr(path.rfind('/') + 1);
    return ref.task.empty() ? name : name + '#' + ref.task;
  };
  const std::string own = last(model + 1);
  for (std::size_t i = 0; i < plan.models.size(); ++i) {
    if (i != model + 1 && last(i) == own) return name(model);
  }
  return own;
}

bool AnalysisInputs::adapter(std::size_t model) const {
  return plan.models[model + 1].adapted != nullptr;
}

std::uint64_t AnalysisInputs::bytes(const AnalysedTensor& tensor) const {
  std::uint64_t total = plan.models[0].bytes_to_read(tensor.base.tensor);
  for (const PlanInput& input : tensor.models) {
    total += plan.models[input.model].bytes_to_read(input.tensor);
  }
  return total;
}

AnalysisInputs match_tensors(std::vector<PlanModel> models) {
  return Matcher(std::move(models)).run();
}

}  // namespace merganser
