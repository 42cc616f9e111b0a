#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "smile/layout_impl.h"

namespace merganser::fusion_bench {
namespace {

using What = MadeSpec::What;

constexpr std::array kLinears = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                 "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                 "mlp.down_proj"};
// Family, and the class that FusionBench has for it.
const std::map<std::string, std::string> kClasses = {
    {"llama", "SmileLlama"}, {"mistral", "SmileMistral"}, {"qwen2", "SmileQwen2"}};

const std::string& family_of(const Plan& plan) {
  return plan.models[plan.reference].architecture.family();
}

bool is_linear(const std::string& module) {
  return std::ranges::any_of(
      kLinears, [&](const char* name) { return module.ends_with("." + std::string(name)); });
}

// The one rank that the budget has room for; no more than every layer has, or with padding than any
// has: beyond there are zeros alone.
void fit_one_rank(const Plan& plan, SmileModules& modules) {
  std::uint64_t end = 0;
  for (const SmileModule& module : modules.modules) {
    if (module.empty) continue;
    const std::uint64_t full = module.full_rank();
    end = end == 0 ? full : modules.pad ? std::max(end, full) : std::min(end, full);
  }
  const std::uint64_t rank = std::min(rank_within_budget(plan, modules), end);
  if (rank == 0) {
    throw Error(ErrorKind::recipe,
                fmt::format("smile: parameter_budget {} has no room for a single "
                            "rank of all layers",
                            *modules.budget))
        .in_file(plan.recipe.file)
        .hint("'layout: transformers' has a rank for each layer");
  }
  for (SmileModule& module : modules.modules) std::ranges::fill(module.ranks, rank);
  modules.notes.push_back(
      fmt::format("rank_of_expert is {}, the largest for all layers within the budget", rank));
}

void count_padding(SmileModules& modules) {
  std::size_t layers = 0;
  std::uint64_t zeros = 0;
  for (const SmileModule& module : modules.modules) {
    if (module.empty || module.dense || module.ranks[0] <= module.full_rank()) continue;
    ++layers;
    zeros +=
        module.experts.size() * (module.ranks[0] - module.full_rank()) * triple_parameters(module);
  }
  if (layers == 0) return;
  modules.notes.push_back(fmt::format(
      "{} layers have fewer singular triples than rank_of_expert: {}{} parameters are zeros",
      layers, modules.ranks_known ? "" : "up to ", zeros));
}

}  // namespace

std::vector<MadeSpec> made_tensors(const SmileModule& module) {
  const std::size_t experts = module.experts.size();
  std::vector<MadeSpec> made = {{module.name + ".gate.weight",
                                 {experts * module.router_rank, module.in},
                                 What::router,
                                 0,
                                 experts}};
  for (std::size_t e = 0; e < experts; ++e) {
    const std::string expert = fmt::format("{}.experts.{}", module.name, e);
    if (module.dense) {
      made.push_back({expert + ".weight", {module.out, module.in}, What::dense, e, 1});
    } else {
      made.push_back({expert + ".u", {module.out, module.ranks[e]}, What::outputs, e, 1});
      made.push_back({expert + ".svh", {module.ranks[e], module.in}, What::input_side, e, 1});
    }
    if (module.bias) made.push_back({expert + ".bias", {module.out}, What::bias, e, 1});
  }
  return made;
}

void complete(const Plan& plan, SmileModules& modules) {
  if (!kClasses.contains(family_of(plan))) {
    throw Error(
        ErrorKind::unsupported,
        fmt::format("FusionBench has no mixture for this architecture ({})", family_of(plan)))
        .in_file(plan.models[plan.reference].path.string())
        .hint("it has Llama, Mistral and Qwen2; 'layout: transformers' takes any");
  }
  std::set<std::string> known;
  for (const SmileModule& module : modules.modules) {
    if (!is_linear(module.name)) {
      throw Error(ErrorKind::unsupported, "FusionBench's classes have no experts here")
          .in_tensor(module.name)
          .hint("'layout: transformers' takes any linear layer");
    }
    known.insert(module.name);
  }
  const SmileModule first = modules.modules.front();
  std::size_t added = 0;
  for (std::size_t i = 0; i < plan.jobs.size(); ++i) {
    const PlanJob& job = plan.jobs[i];
    if (!job.output.name.ends_with(".weight") || job.place.place != Place::layer) continue;
    SmileModule module;
    module.name = job.output.name.substr(0, job.output.name.size() - 7);
    if (!is_linear(module.name) || known.contains(module.name)) continue;
    module.weight = i;
    for (std::size_t b = 0; b < plan.jobs.size(); ++b) {
      if (plan.jobs[b].output.name == module.name + ".bias") module.bias = b;
    }
    module.out = job.output.shape[0];
    module.in = job.output.shape[1];
    module.base = job.base.value_or(job.inputs[0]);
    module.experts = job.inputs;
    module.experts.resize(first.experts.size());
    module.ranks = first.ranks;
    module.dense = first.dense;
    module.router_rank = first.router_rank;
    module.per_token = first.per_token;
    module.empty = true;
    modules.modules.push_back(std::move(module));
    ++added;
  }
  if (modules.budget) fit_one_rank(plan, modules);
  count_padding(modules);
  if (added == 0) return;
  std::ranges::sort(modules.modules, {}, &SmileModule::name);
  modules.notes.push_back(
      fmt::format("{} layers without experts get some of zeros: FusionBench's classes have no "
                  "other form for them",
                  added));
}

Json config(const Plan& plan, const SmileModules& modules) {
  Json config = *plan.config;
  const std::string& family = family_of(plan);
  const SmileModule& first = modules.modules.front();
  config["architectures"] = {kClasses.at(family) + "ForCausalLM"};
  config["model_type"] = "smile_" + family;
  config["num_experts_per_tok"] = first.per_token;
  config["rank_of_router"] = first.router_rank;
  if (first.dense) {
    config["rank_of_expert"] = -1;
  } else {
    config["rank_of_expert"] = first.ranks[0];
  }
  config["num_local_experts"] = modules.models.size();
  return config;
}

}  // namespace merganser::fusion_bench
