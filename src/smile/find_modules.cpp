#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "architecture/weight_layout.h"
#include "base/error.h"
#include "smile/candidates.h"
#include "smile/module.h"

namespace merganser {
namespace {

constexpr std::string_view kWeight = ".weight", kBias = ".bias";

// Of ranks by a budget: layers of up to kCheap are decomposed wholly, others up to so many times
// the rank that all layers would have alike.
constexpr std::uint64_t kCheap = 1024, kTimes = 4, kFewest = 32;

// Of a budget there may be more than a number can hold; what fits into this is without end as well.
std::uint64_t whole_part(double positive) {
  return static_cast<std::uint64_t>(std::min(positive, 0x1p53));
}

class Finder {
 public:
  explicit Finder(const Plan& plan)
      : plan_(plan), architecture_(plan.models[plan.reference].architecture) {
    for (std::size_t i = 0; i < plan.jobs.size(); ++i) by_name_[plan.jobs[i].output.name] = i;
  }

  SmileModules run() {
    check_models();
    for (std::size_t i = 0; i < plan_.jobs.size(); ++i) {
      if (chosen(plan_.jobs[i])) add(i);
    }
    if (found_.modules.empty()) {
      throw error("no linear layer gets experts")
          .hint("'upscale: true' with a filter chooses weights outside the repeated blocks");
    }
    const bool one_rank = found_.layout == SmileLayout::fusion_bench;
    check_parameters();
    count_base_parameters();
    if (found_.budget && !one_rank) guess_ranks();
    if (one_rank) check_one_rank();
    found_.ranks_known = !found_.ranks_follow();
    notes();
    return std::move(found_);
  }

 private:
  Error error(std::string what) const {
    return std::move(
        Error(ErrorKind::recipe, "smile: " + std::move(what)).in_file(plan_.recipe.file));
  }

  void check_models() {
    if (plan_.recipe.lines)
      throw error("'lines' scales merged weights, and experts are not merged");
    found_.base = plan_.reference;
    for (std::size_t i = 0; i < plan_.models.size(); ++i) {
      const PlanModel& model = plan_.models[i];
      if (model.document) {
        throw error(fmt::format("'{}' is another document of the recipe", model.ref.to_string()))
            .hint("merge it into a folder first");
      }
    }
    if (plan_.models[plan_.reference].config() == nullptr) {
      throw Error(ErrorKind::unsupported, "smile: the base has no config.json")
          .in_file(plan_.models[plan_.reference].path.string())
          .hint("a mixture is loaded by its config: give the base as a folder");
    }
  }

  // With all fine-tunes: not a tensor that only some of the models have.
  bool is_linear(const PlanJob& job) const {
    return job.action == PlanJob::Action::merge && job.base && !job.inputs.empty() &&
           can_have_experts(job.place, job.output.name, job.output.shape);
  }

  bool chosen(const PlanJob& job) const {
    const auto asked = job.settings.shared.find("upscale");
    if (asked == job.settings.shared.end()) {
      return is_linear(job) && job.place.place == Place::layer;
    }
    if (!std::get<bool>(asked->second)) return false;
    // A value without a filter speaks of what can be upscaled.
    return is_linear(job) && !(job.place.place == Place::embed);
  }

  void add(std::size_t index) {
    const PlanJob& job = plan_.jobs[index];
    const Settings& settings = job.settings;
    SmileModule module;
    module.name = job.output.name.substr(0, job.output.name.size() - kWeight.size());
    module.weight = index;
    module.transposed = is_input_first(architecture_, job.output.name);
    module.out = job.output.shape[module.transposed ? 1 : 0];
    module.in = job.output.shape[module.transposed ? 0 : 1];
    module.base = *job.base;
    module.experts = job.inputs;
    if (const auto bias = by_name_.find(module.name + std::string(kBias)); bias != by_name_.end()) {
      const PlanJob& other = plan_.jobs[bias->second];
      if (other.action == PlanJob::Action::merge && other.output.shape == Shape{module.out}) {
        module.bias = bias->second;
      }
    }
    remember_models(module);
    const auto layout = settings.choice("layout") == "fusion_bench" ? SmileLayout::fusion_bench
                                                                    : SmileLayout::transformers;
    found_.layout = layout;
    take_ranks(module, settings, job);
    module.tolerance = settings.number("svd_tolerance");
    module.certify = settings.flag("svd_certify");
    module.route_by_weight = settings.choice("routing") == "weight";
    module.unit_vectors = settings.choice("unchanged") == "unit_vectors";
    found_.modules.push_back(std::move(module));
  }

  void remember_models(const SmileModule& module) {
    std::vector<std::size_t> models;
    for (const PlanInput& expert : module.experts) models.push_back(expert.model);
    if (found_.models.empty()) found_.models = std::move(models);
  }

  void take_ranks(SmileModule& module, const Settings& settings, const PlanJob& job) {
    const double rank = settings.number("rank_of_expert");
    const auto router = static_cast<std::uint64_t>(settings.number("rank_of_router"));
    const auto per_token = static_cast<std::uint64_t>(settings.number("num_experts_per_tok"));
    const auto optional = [&](const char* name) -> std::optional<double> {
      const auto found = settings.shared.find(name);
      if (found == settings.shared.end()) return std::nullopt;
      return std::get<double>(found->second);
    };
    found_.budget = optional("parameter_budget");
    found_.relative = settings.choice("budget_by") == "relative_error";
    found_.pad = settings.flag("pad");
    module.energy = optional("energy");
    if (found_.budget && module.energy) {
      throw error("'parameter_budget' and 'energy' both choose the ranks").hint("give one of them");
    }
    module.per_token = per_token;
    if (per_token > module.experts.size()) {
      throw error(fmt::format("num_experts_per_tok is {}, and there are {} experts", per_token,
                              module.experts.size()))
          .in_tensor(job.output.name);
    }
    module.dense = rank <= 0;
    std::uint64_t wanted = module.dense ? 0 : static_cast<std::uint64_t>(rank);
    module.router_rank = router;
    const bool one_rank = found_.layout == SmileLayout::fusion_bench;
    if (found_.budget && one_rank) {
      module.dense = false;
      wanted = 0;  // known when the layout's other modules are: fit_one_rank()
    } else if (module.energy || found_.budget) {
      module.dense = false;
      wanted = module.rank_limit = module.full_rank();
    } else if (wanted > module.full_rank() && !(one_rank && found_.pad)) {
      if (one_rank) {
        throw error(fmt::format("rank_of_expert {} is more than {} of this layer of {}", rank,
                                module.full_rank(), to_string(job.output.shape)))
            .in_tensor(job.output.name)
            .hint(
                "FusionBench's classes have one rank for all layers: 'pad: true' fills up with "
                "zeros; "
                "'layout: transformers' takes what each layer has");
      }
      wanted = module.full_rank();
      ++cut_;
    }
    module.ranks.assign(module.experts.size(), wanted);
    if (router > module.full_rank()) {
      ++narrow_;
      if (!one_rank) module.router_rank = module.full_rank();
    }
  }

  // Those that would say nothing.
  void check_parameters() const {
    const bool one_rank = found_.layout == SmileLayout::fusion_bench;
    if (found_.pad && !one_rank) {
      throw error("'pad: true' goes with 'layout: fusion_bench' alone")
          .hint("leave it out: here each layer has a rank of its own");
    }
    if (!found_.relative) return;
    if (!found_.budget) {
      throw error("'budget_by: relative_error' says how a 'parameter_budget' is spread")
          .hint("give one, or leave it out");
    }
    if (one_rank) {
      throw error("FusionBench's classes have one rank for all: 'budget_by' has nothing to spread")
          .hint("leave it out, or take 'layout: transformers'");
    }
  }

  void check_one_rank() {
    if (found_.modules.front().energy) alike_by_energy();
    const SmileModule& first = found_.modules.front();
    for (const SmileModule& module : found_.modules) {
      if (module.ranks != first.ranks || module.dense != first.dense ||
          module.router_rank != first.router_rank || module.per_token != first.per_token) {
        throw error(
            "FusionBench's classes have one rank_of_expert, rank_of_router and "
            "num_experts_per_tok for all layers")
            .in_tensor(module.name)
            .hint("give them without filters and gradients, or take 'layout: transformers'");
      }
    }
  }

  // The rank that an expert needs for its share may be more than another layer has.
  void alike_by_energy() {
    const auto [least, most] = std::ranges::minmax(found_.modules, {}, &SmileModule::full_rank);
    if (least.full_rank() < most.full_rank() && !found_.pad) {
      throw error(fmt::format("'energy' may ask for a rank of up to {}, and this layer has {}",
                              most.full_rank(), least.full_rank()))
          .in_tensor(least.name)
          .hint(
              "FusionBench's classes have one rank for all layers: 'pad: true' fills up with "
              "zeros; 'layout: transformers' has a rank for each");
    }
    for (SmileModule& module : found_.modules) std::ranges::fill(module.ranks, most.full_rank());
  }

  void count_base_parameters() {
    for (const PlanJob& job : plan_.jobs) {
      if (is_float(job.output.dtype)) found_.base_parameters += job.output.size();
    }
  }

  // One rank for all layers, and some times as much to choose from: large layers take long to be
  // decomposed wholly, and the budget has no room for that.
  void guess_ranks() {
    const std::uint64_t rank = rank_within_budget(plan_, found_);
    for (SmileModule& module : found_.modules) {
      const std::uint64_t full = module.full_rank();
      module.rank_limit = full <= kCheap ? full : std::min(full, std::max(kFewest, kTimes * rank));
      module.ranks.assign(module.experts.size(), std::min(rank, module.rank_limit));
    }
  }

  void notes() {
    if (cut_ > 0) {
      found_.notes.push_back(fmt::format("rank_of_expert is cut to what {} of {} layers have", cut_,
                                         found_.modules.size()));
    }
    if (narrow_ > 0) {
      found_.notes.push_back(fmt::format(
          "rank_of_router is more than {} of {} layers have: their routers take all vectors, {}",
          narrow_, found_.modules.size(),
          found_.layout == SmileLayout::fusion_bench ? "and zeros" : "and no more"));
    }
  }

  const Plan& plan_;
  const Architecture& architecture_;
  std::map<std::string, std::size_t> by_name_;
  SmileModules found_;
  std::size_t cut_ = 0, narrow_ = 0;
};

}  // namespace

std::uint64_t SmileModule::total_rank() const {
  return std::accumulate(ranks.begin(), ranks.end(), std::uint64_t{0});
}

bool SmileModules::ranks_follow() const {
  return std::ranges::any_of(modules, [](const SmileModule& each) { return each.rank_limit > 0; });
}

std::uint64_t triple_parameters(const SmileModule& module) { return module.out + module.in; }

std::uint64_t fixed_parameters(const SmileModules& modules) {
  std::uint64_t total = 0;
  for (const SmileModule& module : modules.modules) {
    const std::uint64_t experts = module.experts.size();
    if (experts > 1 || modules.layout == SmileLayout::fusion_bench) {
      total += experts * module.router_rank * module.in;
    }
    if (module.bias) total += experts * module.out;
    if (module.dense) total += experts * module.out * module.in;
  }
  return total;
}

std::uint64_t factor_parameters(const SmileModules& modules) {
  const auto base = static_cast<double>(modules.base_parameters);
  return whole_part(*modules.budget * base) - modules.base_parameters - fixed_parameters(modules);
}

std::uint64_t rank_within_budget(const Plan& plan, const SmileModules& modules) {
  const auto base = static_cast<double>(modules.base_parameters);
  const double fixed = base + static_cast<double>(fixed_parameters(modules));
  const double room = *modules.budget * base;
  if (fixed > room) {
    throw Error(
        ErrorKind::recipe,
        fmt::format("smile: parameter_budget {} has no room for the routers", *modules.budget))
        .in_file(plan.recipe.file)
        .hint(fmt::format("they alone make it {:.4f}", fixed / base));
  }
  std::uint64_t triples = 0;
  for (const SmileModule& module : modules.modules) {
    triples += module.experts.size() * triple_parameters(module);
  }
  return whole_part((room - fixed) / static_cast<double>(triples));
}

SmileModules find_smile_modules(const Plan& plan) { return Finder(plan).run(); }

}  // namespace merganser
