#include "analyze/methods.h"

#include <fmt/format.h>

#include <algorithm>

namespace merganser {
namespace {

Settings settings_of(const Descriptor& method,
                     const std::vector<std::pair<std::string, Value>>& given, std::size_t inputs) {
  Settings settings;
  settings.per_input.resize(inputs);
  for (const Parameter& parameter : method.parameters) {
    const std::string name(parameter.name);
    std::optional<Value> value = parameter.fallback;
    for (const auto& [key, own] : given) {
      if (key == name) value = own;
    }
    if (!value) continue;
    if (parameter.scope == ParameterScope::shared) {
      settings.shared[name] = *value;
    } else {
      for (Settings::Table& input : settings.per_input) input[name] = *value;
    }
  }
  return settings;
}

PlanJob make_job(const AnalysisInputs& inputs, const AnalysedTensor& tensor,
                 const Descriptor& method, const Settings& settings) {
  PlanJob job;
  job.place = tensor.place;
  job.f64 = inputs.plan.dtype(tensor.base) == DType::f64;
  for (const PlanInput& input : tensor.models) {
    job.f64 = job.f64 || inputs.plan.dtype(input) == DType::f64;
  }
  job.output = {tensor.name, job.f64 ? DType::f64 : DType::f32, tensor.shape};
  if (method.base != BaseRole::ordinary) job.base = tensor.base;
  MergeTensor asked = job.merge_tensor();
  asked.settings = settings;
  const Outline outline = method.outline(asked);
  job.settings.shared = settings.shared;
  if (outline.copy != Outline::kNoCopy) {
    job.action = PlanJob::Action::copy;
    job.inputs = {outline.copy == Outline::kCopyBase ? tensor.base : tensor.models[outline.copy]};
    job.base.reset();
    return job;
  }
  job.sweeps = outline.sweeps;
  job.whole_model = outline.whole_model;
  job.unit = outline.unit;
  job.workspace = outline.workspace;
  for (std::size_t i = 0; i < tensor.models.size(); ++i) {
    if (!outline.reads[i]) continue;
    job.inputs.push_back(tensor.models[i]);
    job.numbers.push_back(i);
    job.settings.per_input.push_back(settings.per_input[i]);
  }
  return job;
}

}  // namespace

Plan plan_method(const AnalysisInputs& inputs, const Descriptor& method,
                 const std::vector<std::pair<std::string, Value>>& parameters, std::uint64_t seed) {
  Plan plan;
  plan.models = inputs.plan.models;
  plan.method = &method;
  plan.recipe.method = std::string(method.name);
  plan.recipe.seed = seed;
  const Settings settings = settings_of(method, parameters, inputs.models());
  for (const AnalysedTensor& tensor : inputs.tensors) {
    if (tensor.size() > 0) plan.jobs.push_back(make_job(inputs, tensor, method, settings));
  }
  return plan;
}

std::vector<AnalysedMethod> usual_methods(const AnalysisInputs& inputs, std::uint64_t seed,
                                          std::uint64_t expert_rank,
                                          const Descriptor& (*find)(std::string_view)) {
  std::vector<AnalysedMethod> methods;
  const auto add = [&](const char* name, const std::string& label,
                       std::vector<std::pair<std::string, Value>> parameters) {
    AnalysedMethod method;
    method.name = name;
    method.label = label;
    method.plan = plan_method(inputs, find(name), parameters, seed);
    method.parameters = std::move(parameters);
    methods.push_back(std::move(method));
  };
  const double share = 1 / static_cast<double>(std::max<std::size_t>(1, inputs.models()));
  const std::string third = fmt::format("{:.3g}", share);
  add("linear", "linear, plain average", {{"weight", 1.0}});
  add("task_arithmetic", "task_arithmetic, weight 1", {{"weight", 1.0}});
  add("ties", "ties, density 0.2", {{"weight", 1.0}, {"density", 0.2}});
  add("dare_linear", fmt::format("dare_linear, weight {}, density 0.5", third),
      {{"weight", share}, {"density", 0.5}});
  add("dare_ties", fmt::format("dare_ties, weight {}, density 0.5", third),
      {{"weight", share}, {"density", 0.5}});
  AnalysedMethod smile;
  smile.name = "smile";
  smile.label = fmt::format("smile, rank {}, each token at its own expert", expert_rank);
  smile.parameters = {{"rank_of_expert", static_cast<double>(expert_rank)}};
  smile.carried.emplace();
  for (const AnalysedTensor& tensor : inputs.tensors) {
    (*smile.carried)[tensor.name] = carried_by_default(tensor, expert_rank);
  }
  methods.push_back(std::move(smile));
  return methods;
}

}  // namespace merganser
