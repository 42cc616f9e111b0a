#include "plan/plan.h"

namespace merganser {
namespace {

std::uint64_t bytes_of(const Plan& plan, const PlanJob& job, std::uint64_t held_bytes) {
  std::uint64_t total = 0;
  if (job.action == PlanJob::Action::make) return total;  // read before, for several jobs at once
  const auto add = [&](const PlanInput& input) {
    const PlanModel& model = plan.models[input.model];
    if (!model.document) {
      total += model.bytes_to_read(input.tensor) * job.sweeps;
    } else {
      const std::uint64_t stored = model.headers()[input.tensor].bytes();
      const std::uint64_t once =
          bytes_of(*model.document, model.document->jobs[input.tensor], held_bytes);
      total += stored <= held_bytes ? once : once * job.sweeps;
    }
  };
  for (const PlanInput& input : job.inputs) add(input);
  if (job.base && job.action == PlanJob::Action::merge) add(*job.base);
  return total;
}

}  // namespace

std::uint64_t bytes_to_read(const Plan& plan, std::size_t job, std::uint64_t held_bytes) {
  return bytes_of(plan, plan.jobs[job], held_bytes);
}

std::uint64_t bytes_to_read(const Plan& plan, std::uint64_t held_bytes, bool hashed) {
  std::uint64_t total = 0;
  for (const PlanJob& job : plan.jobs) total += bytes_of(plan, job, held_bytes);
  if (!hashed) return total;
  for (const Plan* document : plan.documents()) {
    for (const PlanModel& model : document->models) {
      if (model.document) continue;
      for (std::size_t i = 0; i < model.used.size(); ++i) {
        if (model.used[i]) total += model.bytes_to_read(i);
      }
    }
  }
  return total;
}

}  // namespace merganser
