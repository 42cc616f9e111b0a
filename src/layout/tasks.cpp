#include "layout/tasks.h"

#include <nlohmann/json.hpp>

#include "layout/lineage.h"
#include "source/task_source.h"

namespace merganser {
namespace {

double scale_of(const Plan& plan, const ProvenanceFacts& facts, std::size_t model) {
  double own = 0, unified = 0;
  for (std::size_t j = 0; j < plan.jobs.size(); ++j) {
    const PlanJob& job = plan.jobs[j];
    for (const Fact& fact : facts.facts[j]) {
      for (std::size_t i = 0; i < job.inputs.size() && i < fact.values.size(); ++i) {
        if (job.inputs[i].model != model) continue;
        if (fact.name == kTaskMass) own += fact.values[i];
        if (fact.name == kUnifiedMass) unified += fact.values[i];
      }
    }
  }
  return unified > 0 ? own / unified : 1;
}

}  // namespace

std::string task_text(const Plan& plan, const ProvenanceFacts& facts) {
  Json tasks = Json::array();
  for (const Task& task : plan.tasks) {
    tasks.push_back({{"name", task.name},
                     {"model", plan.models[task.model].ref.to_string()},
                     {"scale", scale_of(plan, facts, task.model)}});
  }
  const std::string base =
      plan.recipe.base_model ? plan.recipe.base_model->to_string() : std::string();
  const Json json = {{"format", 1},
                     {"method", plan.method->name},
                     {"base_model", base},
                     {"masks", kTaskMaskFile},
                     {"tasks", std::move(tasks)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace merganser
