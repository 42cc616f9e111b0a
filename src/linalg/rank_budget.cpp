#include "linalg/rank_budget.h"

#include <queue>
#include <utility>

namespace merganser {

std::vector<std::size_t> spread_budget(std::span<const ModuleSpectrum> modules,
                                       std::uint64_t budget) {
  std::vector<std::size_t> ranks(modules.size(), 0);
  using Offer = std::pair<double, std::size_t>;  // of a module's next term
  const auto worse = [](const Offer& a, const Offer& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  };
  std::priority_queue<Offer, std::vector<Offer>, decltype(worse)> offers(worse);
  const auto offer = [&](std::size_t i) {
    const ModuleSpectrum& module = modules[i];
    if (ranks[i] == module.s.size()) return;
    const double s = module.s[ranks[i]];
    offers.emplace(module.weight * s * s / static_cast<double>(module.cost), i);
  };
  for (std::size_t i = 0; i < modules.size(); ++i) offer(i);
  while (!offers.empty()) {
    const std::size_t i = offers.top().second;
    offers.pop();
    if (modules[i].cost > budget) continue;  // nor do its later terms fit
    budget -= modules[i].cost;
    ++ranks[i];
    offer(i);
  }
  return ranks;
}

}  // namespace merganser
