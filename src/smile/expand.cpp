#include "smile/expand.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "smile/changes.h"

namespace merganser {
namespace {

using What = MadeSpec::What;

PlanJob copy_of(const PlanJob& job, std::string name, const PlanInput& from) {
  PlanJob copy;
  copy.output = {std::move(name), job.output.dtype, job.output.shape};
  copy.place = job.place;
  copy.action = PlanJob::Action::copy;
  copy.inputs = {from};
  return copy;
}

PlanJob rest_job(const PlanJob& job) {
  PlanJob rest = job;
  if (job.action != PlanJob::Action::merge || !job.base) return rest;
  const bool average = rest_of(job) == "average";
  rest.settings.shared.clear();
  rest.settings.per_input.clear();
  if (average) {
    rest.settings.per_input.resize(job.inputs.size());
    rest.note = "the average of the fine-tunes";
    return rest;
  }
  rest = copy_of(job, job.output.name, *job.base);
  rest.unread = job.inputs;
  return rest;
}

Settings settings_of(const PlanJob& job) {
  Settings settings;
  for (const char* name : {"rank_of_expert", "rank_of_router", "num_experts_per_tok", "routing",
                           "svd_tolerance", "unchanged"}) {
    const auto found = job.settings.shared.find(name);
    if (found != job.settings.shared.end()) settings.shared.insert(*found);
  }
  return settings;
}

PlanJob make_job(const Plan& plan, const SmileModule& module, const MadeSpec& spec) {
  const PlanJob& weight = plan.jobs[module.weight];
  PlanJob job;
  job.output = {spec.name, weight.output.dtype, spec.shape};
  job.place = weight.place;
  job.action = PlanJob::Action::make;
  if (module.empty) {
    job.note = "zeros: this layer has no experts";
    return job;
  }
  const bool bias = spec.what == What::bias;
  const PlanJob& from = bias ? plan.jobs[*module.bias] : weight;
  job.base = bias ? *from.base : module.base;
  for (std::size_t e = 0; e < spec.count; ++e) job.inputs.push_back(from.inputs[spec.first + e]);
  if (!bias) job.settings = settings_of(weight);
  return job;
}

std::string parameters_note(const Plan& plan, const Plan& expanded, const SmileModules& modules) {
  const auto parameters = [](const Plan& of) {
    std::uint64_t total = 0;
    for (const PlanJob& job : of.jobs) {
      if (is_float(job.output.dtype)) total += job.output.size();
    }
    return static_cast<double>(total);
  };
  return fmt::format("{} layers with {} experts each; {:.4f} times the base's parameters{}",
                     modules.modules.size(), modules.models.size(),
                     parameters(expanded) / parameters(plan),
                     modules.ranks_known ? ""
                                         : " with equal ranks: the merge chooses them by the "
                                           "singular values, which it has yet to find");
}

// Modules by the names of their made tensors.
struct Origin {
  std::size_t module;
  MadeSpec spec;
};

std::map<std::string, Origin> specs_by_name(const SmileModules& modules) {
  std::map<std::string, Origin> specs;
  for (std::size_t m = 0; m < modules.modules.size(); ++m) {
    for (MadeSpec& spec : made_tensors(modules.layout, modules.modules[m])) {
      std::string name = spec.name;
      specs.emplace(std::move(name), Origin{m, std::move(spec)});
    }
  }
  return specs;
}

// Rows of the scratch file, and zeros up to what the tensor has.
void add_rows(std::vector<MadePart>& parts, std::uint64_t offset, std::uint64_t present,
              std::uint64_t rows, std::uint64_t cols) {
  const std::uint64_t there = std::min(present, rows);
  if (there > 0) parts.push_back({MadePart::Kind::rows, there, cols, offset, 0, {}, {}});
  if (there < rows) parts.push_back({MadePart::Kind::zeros, rows - there, cols, 0, 0, {}, {}});
}

std::vector<MadePart> parts_of(const Plan& plan, const SmileModule& module,
                               const std::vector<Expert>& experts, const MadeSpec& spec) {
  std::vector<MadePart> parts;
  if (module.empty) {
    std::uint64_t size = 1;
    for (const std::uint64_t n : spec.shape) size *= n;
    return {{MadePart::Kind::zeros, 1, size, 0, 0, {}, {}}};
  }
  for (std::size_t e = spec.first; e < spec.first + spec.count; ++e) {
    const Expert& expert = experts[e];
    switch (spec.what) {
      case What::router:
        add_rows(parts, expert.vectors, expert.router, module.router_rank, module.in);
        break;
      case What::input_side:
        add_rows(parts, expert.sv, expert.rank, module.ranks[e], module.in);
        break;
      case What::output_side:
        add_rows(parts, expert.u, expert.rank, module.ranks[e], module.out);
        break;
      case What::outputs:
        parts.push_back({MadePart::Kind::columns,
                         module.out,
                         module.ranks[e],
                         expert.u,
                         std::min<std::uint64_t>(expert.rank, module.ranks[e]),
                         {},
                         {}});
        break;
      case What::bias: {
        const PlanJob& bias = plan.jobs[*module.bias];
        parts.push_back(
            {MadePart::Kind::difference, 1, module.out, 0, 0, bias.inputs[e], bias.base});
        break;
      }
      case What::dense:
        if (expert.dense) {
          add_rows(parts, *expert.dense, module.out, module.out, module.in);
        } else {
          parts.push_back({MadePart::Kind::difference, module.out, module.in, 0, 0,
                           module.experts[e], module.base});
        }
        break;
    }
  }
  return parts;
}

}  // namespace

Plan expand(const Plan& plan, const SmileModules& modules) {
  std::map<std::size_t, const SmileModule*> weights, biases;
  for (const SmileModule& module : modules.modules) {
    weights[module.weight] = &module;
    if (module.bias) biases[*module.bias] = &module;
  }
  Plan expanded = plan;
  expanded.jobs.clear();
  for (std::size_t i = 0; i < plan.jobs.size(); ++i) {
    const PlanJob& job = plan.jobs[i];
    if (const auto weight = weights.find(i); weight != weights.end()) {
      const SmileModule& module = *weight->second;
      expanded.jobs.push_back(
          copy_of(job, shared_weight(modules.layout, module.name), module.base));
      for (const MadeSpec& spec : made_tensors(modules.layout, module)) {
        expanded.jobs.push_back(make_job(plan, module, spec));
      }
    } else if (const auto bias = biases.find(i); bias != biases.end()) {
      expanded.jobs.push_back(copy_of(job, shared_bias(modules.layout, bias->second->name),
                                      job.base ? *job.base : job.inputs[0]));
    } else {
      expanded.jobs.push_back(rest_job(job));
    }
  }
  const auto by_name = [](const PlanJob& job) -> const std::string& { return job.output.name; };
  std::ranges::sort(expanded.jobs, {}, by_name);
  const auto twice = std::ranges::adjacent_find(expanded.jobs, {}, by_name);
  if (twice != expanded.jobs.end()) {
    throw Error(ErrorKind::mismatch, "the base has a tensor of the name that an expert's gets")
        .in_tensor(twice->output.name)
        .hint("is the base a mixture already?");
  }
  std::size_t made = 0;
  for (PlanJob& job : expanded.jobs) {
    if (job.action == PlanJob::Action::make) job.made = made++;
  }
  expanded.notes.insert(expanded.notes.end(), modules.notes.begin(), modules.notes.end());
  expanded.notes.push_back(parameters_note(plan, expanded, modules));
  expanded.config = std::make_shared<const Json>(smile_config(plan, modules));
  expanded.files = smile_files(modules.layout);
  expanded.single_file = false;
  expanded.shards = plan_shards(expanded.outputs(), plan.options.max_shard);
  expanded.bytes_written = expanded.shards.bytes();
  return expanded;
}

std::vector<MadeTensor> made_content(const Plan& expanded, const Plan& plan,
                                     const SmileModules& modules, const Experts& experts) {
  const std::map<std::string, Origin> specs = specs_by_name(modules);
  std::vector<MadeTensor> made;
  for (const PlanJob& job : expanded.jobs) {
    if (job.action != PlanJob::Action::make) continue;
    const Origin& place = specs.at(job.output.name);
    const SmileModule& module = modules.modules[place.module];
    const bool wide = plan.jobs[module.weight].f64;
    made.push_back({{job.output.name, wide ? DType::f64 : DType::f32, job.output.shape},
                    parts_of(plan, module, experts.of_module[place.module], place.spec)});
  }
  return made;
}

std::vector<std::vector<Fact>> expert_facts(const Plan& expanded, const SmileModules& modules,
                                            const Experts& experts) {
  const std::map<std::string, Origin> specs = specs_by_name(modules);
  std::vector<std::vector<Fact>> facts(expanded.jobs.size());
  for (std::size_t i = 0; i < expanded.jobs.size(); ++i) {
    const PlanJob& job = expanded.jobs[i];
    if (job.action != PlanJob::Action::make) continue;
    const Origin& place = specs.at(job.output.name);
    const SmileModule& module = modules.modules[place.module];
    const What what = place.spec.what;
    if (module.empty || (what != What::input_side && what != What::dense)) continue;
    Fact norm{"change", {}}, rank{"rank", {}}, residual{"relative_error", {}},
        excess{"error_bound_beyond_best", {}};
    for (std::size_t e = place.spec.first; e < place.spec.first + place.spec.count; ++e) {
      const Expert& expert = experts.of_module[place.module][e];
      norm.values.push_back(std::sqrt(expert.energy));
      rank.values.push_back(static_cast<double>(expert.rank));
      residual.values.push_back(expert.residual(module.ranks[e]));
      excess.values.push_back(expert.excess);
    }
    facts[i] = {norm};
    if (what == What::input_side) facts[i] = {norm, rank, residual, excess};
  }
  return facts;
}

}  // namespace merganser
