#include "api/mixture.h"

#include <fmt/format.h>

#include <cmath>

#include "smile/expand.h"

namespace merganser {

std::uint64_t bytes_aside(const Prepared& prepared) {
  if (!prepared.mixture) return 0;
  return scratch_bytes(prepared.mixture->plan, prepared.mixture->modules);
}

Experts make_experts(Prepared& prepared, ExpertStore& store, HashKind hash, Progress& progress) {
  Mixture& mixture = *prepared.mixture;
  store.take_over(progress);
  progress.stage("decomposing");
  Experts experts = decompose(mixture.plan, mixture.modules, store, hash, progress);
  if (mixture.modules.ranks_follow()) {
    choose_ranks(mixture.modules, experts);
    prepared.plan = expand(mixture.plan, mixture.modules);
  }
  prepared.plan.made = std::make_shared<MadeSource>(
      experts.file, mixture.plan.models,
      made_content(prepared.plan, mixture.plan, mixture.modules, experts));
  return experts;
}

void add_experts(EngineReport& report, const Prepared& prepared, const Experts& experts) {
  for (const auto& [input, hash] : experts.hashes) {
    std::string& known = report.input_hashes[input];
    if (known.empty()) known = hash;
  }
  std::vector<std::vector<Fact>> facts =
      expert_facts(prepared.plan, prepared.mixture->modules, experts);
  for (std::size_t i = 0; i < facts.size(); ++i) {
    if (!facts[i].empty()) report.facts[i] = std::move(facts[i]);
  }
  report.bytes_read += experts.bytes_read;
}

void add_expert_notes(std::vector<std::string>& notes, const Prepared& prepared,
                      const Experts& experts) {
  const Mixture& mixture = *prepared.mixture;
  for (std::size_t e = 0; e < mixture.modules.models.size(); ++e) {
    double left = 0;
    std::size_t unsure = 0;
    for (std::size_t m = 0; m < mixture.modules.modules.size(); ++m) {
      const SmileModule& module = mixture.modules.modules[m];
      const Expert& expert = experts.of_module[m][e];
      if (!module.dense) left += std::pow(expert.residual(module.ranks[e]), 2) * expert.energy;
      if (expert.changed && !expert.router_resolved) ++unsure;
    }
    const PlanModel& model = mixture.plan.models[mixture.modules.models[e]];
    const double weights = experts.weights[e], carried = weights + experts.biases[e];
    const double all = carried + experts.rest[e];
    if (all == 0) {
      notes.push_back(fmt::format("{}: equals the base", model.ref.to_string()));
      continue;
    }
    notes.push_back(fmt::format(
        "{}: {:.1f} % of its change (squared norm) lies in the layers with experts, which keep "
        "{:.1f} % of that; the rest ({:.1f} %) is in other tensors",
        model.ref.to_string(), 100 * carried / all,
        carried > 0 ? 100 * (carried - left) / carried : 100.0, 100 * experts.rest[e] / all));
    if (unsure > 0) {
      notes.push_back(
          fmt::format("{}: in {} layers the singular values of the difference are too "
                      "even for the router's vectors to be well defined",
                      model.ref.to_string(), unsure));
    }
  }
}

}  // namespace merganser
