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
  std::vector<ModuleSpectrum> spectra;
  for (std::size_t m = 0; m < modules.modules.size(); ++m) {
    for (std::size_t e = 0; e < experts.of_module[m].size(); ++e) {
      const Expert& expert = experts.of_module[m][e];
      ModuleSpectrum spectrum{std::span(expert.s).first(expert.rank),
                              triple_parameters(modules.modules[m])};
      if (modules.relative && experts.weights[e] > 0) spectrum.weight = 1 / experts.weights[e];
      spectra.push_back(spectrum);
    }
  }
  const std::vector<std::size_t> ranks = spread_budget(spectra, factor_parameters(modules));
  std::size_t next = 0;
  for (SmileModule& module : modules.modules) {
    for (std::uint64_t& rank : module.ranks) rank = ranks[next++];
  }
}

// From k = m n / (m + n) on, the differences themselves are smaller than their factors, and exact.
void take_whole(SmileModules& modules) {
  for (SmileModule& module : modules.modules) {
    const std::uint64_t whole = module.experts.size() * module.out * module.in;
    // Weights that lie [in, out] would have to be put aside turned.
    if (module.rank_limit == 0 || module.transposed) continue;
    if (module.total_rank() * triple_parameters(module) <= whole) continue;
    module.dense = true;
    std::ranges::fill(module.ranks, 0);
  }
}

void by_energy(SmileModules& modules, const Experts& experts) {
  for (std::size_t m = 0; m < modules.modules.size(); ++m) {
    SmileModule& module = modules.modules[m];
    if (!module.energy) continue;
    for (std::size_t e = 0; e < module.ranks.size(); ++e) {
      module.ranks[e] = rank_by_energy(experts.of_module[m][e], *module.energy);
    }
  }
}

// FusionBench's classes have one rank for all: the one by which every expert keeps its share.
void make_alike(SmileModules& modules) {
  std::uint64_t rank = 1;
  for (const SmileModule& module : modules.modules) {
    if (!module.empty) rank = std::max(rank, std::ranges::max(module.ranks));
  }
  for (SmileModule& module : modules.modules) std::ranges::fill(module.ranks, rank);
}

}  // namespace

void choose_ranks(SmileModules& modules, const Experts& experts) {
  if (modules.budget) {
    spread(modules, experts);
  } else {
    by_energy(modules, experts);
  }
  if (modules.layout == SmileLayout::fusion_bench) {
    make_alike(modules);
  } else {
    take_whole(modules);
  }
  modules.ranks_known = true;
}

}  // namespace merganser
