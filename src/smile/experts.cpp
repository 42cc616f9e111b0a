#include "smile/experts.h"

#include <algorithm>
#include <cmath>

namespace merganser {

double Expert::residual(std::uint64_t kept) const {
  if (!(energy > 0)) return 0;
  double sum = 0;
  for (std::size_t i = static_cast<std::size_t>(std::min<std::uint64_t>(kept, s.size()));
       i-- > 0;) {
    sum += s[i] * s[i];
  }
  return std::sqrt(std::max(0.0, energy - sum) / energy);
}

std::uint64_t bytes_to_decompose(const Plan& plan, const PlanJob& job) {
  if (job.action != PlanJob::Action::merge || !job.base) return 0;
  std::uint64_t bytes = plan.models[job.base->model].bytes_to_read(job.base->tensor);
  for (const PlanInput& input : job.inputs) {
    bytes += plan.models[input.model].bytes_to_read(input.tensor);
  }
  return bytes;
}

std::uint64_t bytes_to_decompose(const Plan& plan) {
  std::uint64_t total = 0;
  for (const PlanJob& job : plan.jobs) total += bytes_to_decompose(plan, job);
  return total;
}

std::uint64_t scratch_bytes(const Plan& plan, const SmileModules& modules) {
  std::uint64_t total = 0;
  for (const SmileModule& module : modules.modules) {
    if (module.empty) continue;
    const std::uint64_t width = plan.jobs[module.weight].f64 ? 8 : 4;
    const std::uint64_t router = std::min(module.router_rank, module.full_rank());
    for (std::size_t e = 0; e < module.ranks.size(); ++e) {
      // Zeros that fill up a rank are not put aside.
      const std::uint64_t rank = std::min(module.most_kept(e), module.full_rank());
      total += width * (rank * (module.out + module.in) + router * module.in);
      // Singular values, where a later run is to find them.
      total += sizeof(double) * std::max(rank, router);
      if (module.dense && module.transposed) total += width * module.out * module.in;
    }
  }
  return total;
}

std::uint64_t decompose_memory(const Plan& plan, const SmileModules& modules) {
  std::uint64_t most = 0;
  for (const SmileModule& module : modules.modules) {
    if (module.empty) continue;
    const std::uint64_t width = plan.jobs[module.weight].f64 ? 8 : 4;
    std::uint64_t rank = module.router_rank;
    for (std::size_t e = 0; e < module.ranks.size(); ++e)
      rank = std::max(rank, module.most_kept(e));
    rank = std::min(rank, module.full_rank());
    most = std::max(most, 2 * width * module.out * module.in +
                              truncated_svd_workspace(module.out, module.in, rank, width));
  }
  return most;
}

}  // namespace merganser
