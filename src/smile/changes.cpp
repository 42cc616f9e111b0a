#include "smile/changes.h"

#include <filesystem>
#include <system_error>

namespace merganser {
namespace {

bool same_checkpoint(const PlanModel& a, const PlanModel& b) {
  std::error_code code;
  return a.path == b.path || std::filesystem::equivalent(a.path, b.path, code);
}

}  // namespace

std::optional<LoraSource::Product> product_of(const Plan& plan, const PlanInput& expert,
                                              const PlanInput& base) {
  const PlanModel& model = plan.models[expert.model];
  const PlanModel& origin = plan.models[base.model];
  if (!model.adapted || origin.adapted || !origin.ref.task.empty() || !model.ref.task.empty() ||
      !same_checkpoint(model, origin)) {
    return std::nullopt;
  }
  if (model.headers()[expert.tensor].name != origin.headers()[base.tensor].name) {
    return std::nullopt;
  }
  return model.adapted->change_of(expert.tensor);
}

std::set<std::size_t> upscaled_jobs(const SmileModules& modules) {
  std::set<std::size_t> jobs;
  for (const SmileModule& module : modules.modules) {
    jobs.insert(module.weight);
    if (module.bias) jobs.insert(*module.bias);
  }
  return jobs;
}

std::string rest_of(const PlanJob& job) {
  if (job.settings.flag("average_experts")) return "average";
  return job.settings.choice("rest");
}

}  // namespace merganser
