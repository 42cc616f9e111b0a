// The linear layers of a plan that get experts, and what is asked of each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace merganser {

enum class SmileLayout { transformers, fusion_bench };

struct SmileModule {
  std::string name;                 // "model.layers.0.self_attn.q_proj"
  std::size_t weight = 0;           // jobs of the plan
  std::optional<std::size_t> bias;  // where the base has one
  std::uint64_t out = 0, in = 0;    // m, n of y = W x, W m x n
  bool transposed = false;          // the weight is stored [in, out] (transformers' Conv1D)
  PlanInput base;                   // the weight, there and in each fine-tune
  std::vector<PlanInput> experts;

  std::uint64_t router_rank = 0;     // g; at most min(m, n) where the layout has no rank for all
  std::vector<std::uint64_t> ranks;  // k of each expert; 0 with `dense`
  bool dense = false;                // the experts are whole differences
  // Where ranks follow the singular values: the most that are looked at, and the share of the
  // squared norm to be kept. `ranks` are then a guess until they are known.
  std::uint64_t rank_limit = 0;
  std::optional<double> energy;
  // Not chosen, but the layout has no other form for it: experts of zeros.
  bool empty = false;
  std::uint64_t total_rank() const;  // of all experts
  // Triples of an expert that may be kept.
  std::uint64_t most_kept(std::size_t expert) const {
    return rank_limit > 0 ? rank_limit : ranks[expert];
  }
  std::uint64_t per_token = 1;
  double tolerance = 0;  // of the experts' error beyond the best possible, relative
  bool certify = false;  // the tolerance has to be proven
  bool route_by_weight = false;
  bool unit_vectors = false;  // router of an expert that equals the base

  // Triples that exist at most. A router's rank may ask for more in the layout with one rank for
  // all layers: the rest are zeros.
  std::uint64_t full_rank() const { return out < in ? out : in; }
};

struct SmileModules {
  SmileLayout layout = SmileLayout::transformers;
  std::size_t base = 0;              // of the plan's models
  std::vector<std::size_t> models;   // of each expert
  std::vector<SmileModule> modules;  // sorted by name
  std::optional<double> budget;      // parameters of the output, as a multiple of the base's
  bool relative = false;  // errors count as parts of their model's change in these layers
  bool pad = false;       // zeros where a layer has fewer triples than the one rank
  std::uint64_t base_parameters = 0;
  std::vector<std::string> notes;

  bool ranks_follow() const;  // the singular values choose some
  bool ranks_known = true;    // false until they have
};

// Parameters of the made tensors: with ranks of 0, and for each triple of an expert of a module.
std::uint64_t fixed_parameters(const SmileModules& modules);
std::uint64_t triple_parameters(const SmileModule& module);
// That the experts' factors may have at most, by the budget.
std::uint64_t factor_parameters(const SmileModules& modules);
// The largest rank that all experts of all layers can have within the budget. Throws Error where
// there is no room for the routers.
std::uint64_t rank_within_budget(const Plan& plan, const SmileModules& modules);

// What of a plan of `smile` gets experts. Throws Error for what cannot be upscaled as the recipe
// says.
SmileModules find_smile_modules(const Plan& plan);

}  // namespace merganser
