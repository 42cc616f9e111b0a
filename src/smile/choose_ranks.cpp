#include <algorithm>
#include <span>

#include "linalg/rank_budget.h"
#include "smile/experts.h"

namespace merganser {
namespace {

// The fewest triples that hold this share of the squared norm.
std::size_t rank_by_energy(const Expert& expert, double share) {
  double held = 0;
  std::size_t rank = 0;
  while (rank < expert.rank && held < share * expert.energy) {
    held += expert.s[rank] * expert.s[rank];
    ++rank;
  }
  return rank;
}

void spread(SmileModules& modules, const Experts& experts) {
  std::vector<Spectrum> spectra;
  for (std::size_t m = 0; m < modules.modules.size(); ++m) {
    for (const Expert& expert : experts.of_module[m]) {
      spectra.push_back(
          {std::span(expert.s).first(expert.rank), triple_parameters(modules.modules[m])});
    }
  }
  const std::vector<std::size_t> ranks = spread_budget(spectra, factor_parameters(modules));
  std::size_t next = 0;
  for (SmileModule& module : modules.modules) {
    for (std::uint64_t& rank : module.ranks) rank = ranks[next++];
  }
}

}  // namespace

void choose_ranks(SmileModules& modules, const Experts& experts) {
  if (modules.budget) return spread(modules, experts);
  for (std::size_t m = 0; m < modules.modules.size(); ++m) {
    SmileModule& module = modules.modules[m];
    if (!module.energy) continue;
    for (std::size_t e = 0; e < module.ranks.size(); ++e) {
      module.ranks[e] = rank_by_energy(experts.of_module[m][e], *module.energy);
    }
  }
}

}  // namespace merganser
