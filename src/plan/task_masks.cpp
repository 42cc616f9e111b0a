// What a method with task masks writes beside the weights: a bit an element for each model.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "plan/task_masks.h"
#include "source/task_source.h"

namespace merganser {
namespace {

std::string last_part(const PlanModel& model) {
  // Tasks that are adapters of one base are told apart by their own names.
  std::string path = model.adapted ? model.ref.lora_path : model.ref.path;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

void plan_task_masks(Plan& plan) {
  if (!plan.method->task_masks) return;
  if (plan.single_file) {
    throw Error(ErrorKind::unsupported,
                fmt::format("{} writes masks beside the weights, so its output is a folder; these "
                            "inputs are single files",
                            plan.method->name))
        .in_file(plan.recipe.file)
        .hint("put each file into a folder of its own, as model.safetensors");
  }
  const auto& base = plan.recipe.base_model;
  if (base && !base->lora_path.empty()) {
    throw Error(ErrorKind::unsupported,
                fmt::format("the base '{}' has an adapter, but {} writes tasks that are made from "
                            "a checkpoint",
                            base->to_string(), plan.method->name))
        .in_file(plan.recipe.file)
        .at(base->mark.line, base->mark.column)
        .hint("write the base first: passthrough of it");
  }
  std::map<std::size_t, std::size_t> task_of;  // by model
  std::set<std::string> taken;
  for (const PlanJob& job : plan.jobs) {
    if (job.action != PlanJob::Action::merge || job.identity) continue;
    for (const PlanInput& input : job.inputs) {
      if (!task_of.emplace(input.model, plan.tasks.size()).second) continue;
      const std::string name = last_part(plan.models[input.model]);
      std::string unique = name;
      for (int n = 2; !taken.insert(unique).second; ++n) unique = fmt::format("{}-{}", name, n);
      plan.tasks.push_back({unique, input.model});
    }
  }
  struct Mask {
    TensorInfo info;
    std::size_t job, input;
  };
  std::vector<Mask> masks;
  for (std::size_t j = 0; j < plan.jobs.size(); ++j) {
    PlanJob& job = plan.jobs[j];
    if (job.action != PlanJob::Action::merge || job.identity) continue;
    job.masks.resize(job.inputs.size());
    for (std::size_t i = 0; i < job.inputs.size(); ++i) {
      TensorInfo info;
      info.name = plan.tasks[task_of.at(job.inputs[i].model)].name + "/" + job.output.name;
      info.dtype = DType::u8;
      info.shape = {(job.output.size() + 7) / 8};
      masks.push_back({std::move(info), j, i});
    }
  }
  std::ranges::sort(masks, {}, [](const Mask& mask) { return mask.info.name; });
  for (std::size_t m = 0; m < masks.size(); ++m) {
    plan.jobs[masks[m].job].masks[masks[m].input] = m;
    plan.masks.push_back(std::move(masks[m].info));
  }
  plan.mask_shards =
      plan_shards(plan.masks, std::numeric_limits<std::uint64_t>::max(), kTaskMaskFile);
}

}  // namespace merganser
