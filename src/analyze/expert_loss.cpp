#include "analyze/expert_loss.h"

#include <algorithm>

namespace merganser {
namespace {

// None: more than are known.
std::optional<std::uint64_t> rank_by_energy(const Spectrum& spectrum, double share) {
  double held = 0;
  std::uint64_t rank = 0;
  while (held < share * spectrum.squared) {
    if (rank == spectrum.s.size()) return spectrum.whole ? std::optional(rank) : std::nullopt;
    held += spectrum.s[rank] * spectrum.s[rank];
    ++rank;
  }
  return rank;
}

}  // namespace

Carried carried_by_default(const AnalysedTensor& tensor, std::uint64_t rank) {
  Carried carried;
  carried.whole = tensor.expert_bias;
  if (tensor.upscaled) carried.rank = rank;
  return carried;
}

CarriedByName carried_by(const Plan& plan, const SmileModules& modules) {
  CarriedByName carried;
  for (const SmileModule& module : modules.modules) {
    if (module.empty) continue;
    Carried weight;
    weight.whole = module.dense;
    // Until singular values are known all experts of a layer are asked for the same.
    if (!module.dense && !module.ranks.empty()) weight.rank = module.ranks.front();
    weight.energy = module.energy;
    carried[plan.jobs[module.weight].output.name] = weight;
    if (module.bias) carried[plan.jobs[*module.bias].output.name].whole = true;
  }
  return carried;
}

std::uint64_t values_needed(const SmileModules& modules) {
  std::uint64_t most = 0;
  for (const SmileModule& module : modules.modules) {
    if (module.empty || module.dense || module.energy || module.ranks.empty()) continue;
    const std::uint64_t rank = module.ranks.front();
    if (rank < module.full_rank()) most = std::max(most, rank);
  }
  return most;
}

std::optional<double> lost_by_expert(const AnalysedTensor& tensor, const ChangeSums& change,
                                     const Carried& carried) {
  if (change.squared == 0 || carried.whole) return 0;
  if (!carried.energy && carried.rank == 0) return change.squared;
  if (!tensor.matrix()) return std::nullopt;
  if (!carried.energy && carried.rank >= std::min(tensor.shape[0], tensor.shape[1])) return 0;
  if (!change.spectrum) return std::nullopt;
  const Spectrum& spectrum = *change.spectrum;
  const auto rank =
      carried.energy ? rank_by_energy(spectrum, *carried.energy) : std::optional(carried.rank);
  if (!rank || (!spectrum.whole && *rank > spectrum.s.size())) return std::nullopt;
  return spectrum.left(static_cast<std::size_t>(*rank));
}

}  // namespace merganser
