#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "api/adapter_output.h"
#include "api/unchanged.h"
#include "base/error.h"
#include "checkpoint/locate.h"
#include "lora/card.h"
#include "lora/combine.h"
#include "merganser/adapter.h"
#include "plan/models.h"

namespace merganser {
namespace {

CombineOptions options_of(const MergeAdaptersRequest& request) {
  CombineOptions options;
  options.method = &combine_method(request.method);
  const std::string method(options.method->name);
  options.weights = request.weights;
  if (options.weights.empty()) options.weights.assign(request.adapters.size(), 1);
  if (options.weights.size() != request.adapters.size()) {
    throw Error(ErrorKind::usage, fmt::format("{} weights for {} adapters", options.weights.size(),
                                              request.adapters.size()));
  }
  if (!std::ranges::all_of(options.weights, [](double w) { return std::isfinite(w); })) {
    throw Error(ErrorKind::usage, "weights must be finite numbers");
  }
  const bool prunes = options.method->pruning != Pruning::none;
  if (prunes != request.density.has_value()) {
    throw Error(ErrorKind::usage, prunes ? fmt::format("{} needs --density", method)
                                         : fmt::format("{} has no density", method))
        .hint(prunes ? "0.5: half of the elements stay" : "leave out --density");
  }
  options.rule.density = request.density.value_or(1);
  if (!(options.rule.density > 0 && options.rule.density <= 1)) {
    throw Error(ErrorKind::usage, "--density must be above 0 and at most 1");
  }
  if (request.majority_sign != "total" && request.majority_sign != "frequency") {
    throw Error(ErrorKind::usage, "unknown majority sign '" + request.majority_sign + "'")
        .hint("total or frequency");
  }
  options.rule.by_frequency = request.majority_sign == "frequency";
  check_energy(request.energy);
  using Form = CombineMethod::Form;
  const Form form = options.method->form;
  if ((form == Form::factors || form == Form::concatenation) &&
      (request.rank > 0 || request.energy < 1)) {
    throw Error(ErrorKind::usage, fmt::format("the rank of {} is that of its inputs", method))
        .hint("--rank and --energy go with exact, svd and the methods that end in _svd");
  }
  options.rank = request.rank;
  options.energy = request.energy;
  options.seed = request.seed;
  options.dtype = parse_factor_dtype(request.dtype);
  return options;
}

std::vector<Adapter> open_all(const MergeAdaptersRequest& request) {
  if (request.adapters.empty()) {
    throw Error(ErrorKind::usage, "no adapter is given")
        .hint("merganser merge-lora A B OUTPUT, each a folder with adapter_config.json");
  }
  std::vector<Adapter> adapters;
  for (const std::string& name : request.adapters) {
    const ModelRef ref = model_ref(name);
    adapters.push_back(Adapter::open(locate_model(ref.path, ref.revision, "").path));
  }
  for (std::size_t i = 1; i < adapters.size(); ++i) {
    if (adapters[i].config().fan_in_fan_out == adapters[0].config().fan_in_fan_out) continue;
    throw Error(ErrorKind::mismatch,
                fmt::format("fan_in_fan_out differs from that of '{}'", request.adapters[0]))
        .in_file(request.adapters[i])
        .hint("adapters that are merged must belong to one base");
  }
  return adapters;
}

// Names as they are given where all adapters give lists without further conditions; else every
// module by its full name.
std::vector<std::string> targets_of(const std::vector<Adapter>& adapters, const TermStore& store) {
  std::set<std::string> names;
  bool plain = true;
  for (const Adapter& adapter : adapters) {
    const Json& json = *adapter.config().json;
    plain = plain && json.contains("target_modules") && json["target_modules"].is_array();
    for (const char* key : {"layers_to_transform", "layers_pattern", "exclude_modules"}) {
      plain = plain && (!json.contains(key) || json[key].is_null() || json[key].empty());
    }
    names.insert(adapter.config().target_modules.begin(), adapter.config().target_modules.end());
  }
  if (!plain) {
    names.clear();
    for (const TermStore::Entry& entry : store.entries()) {
      if (entry.rank > 0) names.insert(entry.module.name);
    }
  }
  return {names.begin(), names.end()};
}

Json config_of(const std::vector<Adapter>& adapters, const CombineResult& result,
               const TermStore& store) {
  Json config = *adapters[0].config().json;
  for (const char* key : {"layers_to_transform", "layers_pattern", "exclude_modules", "eva_config",
                          "corda_config", "loftq_config", "lora_ga_config"}) {
    config.erase(key);
  }
  config["target_modules"] = targets_of(adapters, store);
  std::set<std::string> saved;
  auto bias = AdapterConfig::Bias::none;
  for (const Adapter& adapter : adapters) {
    const auto& own = adapter.config().modules_to_save;
    saved.insert(own.begin(), own.end());
    using Bias = AdapterConfig::Bias;
    if (adapter.config().bias == Bias::all) bias = Bias::all;
    if (adapter.config().bias == Bias::lora_only && bias == Bias::none) bias = Bias::lora_only;
  }
  config["modules_to_save"] = nullptr;
  if (!saved.empty()) config["modules_to_save"] = saved;
  config["bias"] = bias == AdapterConfig::Bias::all         ? "all"
                   : bias == AdapterConfig::Bias::lora_only ? "lora_only"
                                                            : "none";
  config["lora_bias"] = result.lora_bias;
  config["init_lora_weights"] = true;
  config["inference_mode"] = true;
  config["use_rslora"] = false;
  config["use_dora"] = false;
  return config;
}

Json provenance_of(const MergeAdaptersRequest& request, const CombineOptions& options,
                   const CombineResult& result) {
  Json inputs = Json::array();
  for (std::size_t i = 0; i < request.adapters.size(); ++i) {
    inputs.push_back({{"adapter", request.adapters[i]},
                      {"weight", options.weights[i]},
                      {"tensors", to_json(result.read[i])}});
  }
  Json given = {{"method", request.method}};
  if (request.density) given["density"] = *request.density;
  if (options.method->elect) given["majority_sign"] = request.majority_sign;
  if (options.method->pruning == Pruning::random) given["seed"] = request.seed;
  given["rank"] = request.rank;
  given["energy"] = request.energy;
  given["dtype"] = request.dtype;
  return {{"kind", "adapter merge"}, {"inputs", std::move(inputs)}, {"options", std::move(given)}};
}

}  // namespace

AdapterReport merge_adapters(const MergeAdaptersRequest& request, Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  const CombineOptions options = options_of(request);
  const std::vector<Adapter> adapters = open_all(request);
  AdapterReport report{.output = request.output, .method = request.method};
  std::vector<TargetInput> inputs;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < adapters.size(); ++i) {
    TargetInput input{request.adapters[i], {adapters[i].weights().path().parent_path()}};
    for (const auto& file : adapters[i].weights().files()) input.places.push_back(file);
    inputs.push_back(std::move(input));
    bytes += adapters[i].weights().bytes();
    const std::string &base = adapters[i].config().base_model,
                      &first = adapters[0].config().base_model;
    if (base != first) {
      report.notes.push_back(
          fmt::format("the configs name different bases: '{}' ({}) and '{}' ({})", first,
                      request.adapters[0], base, request.adapters[i]));
    }
  }
  check_target(inputs, false, bytes, request.output, request.force);
  OutputFolder folder(request.output, false);
  use_threads(request.threads);
  progress.stage("merging");
  TermStore store(folder.path());
  CombineResult result = combine(adapters, options, store, progress);
  for (const std::string& name : result.empty) {
    report.left_out.push_back({name, "the merged change is zero"});
  }
  for (const Adapter& adapter : adapters) {
    for (const std::string& name : adapter.config().modules_to_save) {
      if (std::ranges::find(report.saved_modules, name) == report.saved_modules.end()) {
        report.saved_modules.push_back(name);
      }
    }
  }
  report.bytes_read = result.bytes_read;
  std::string names;
  for (const std::string& path : request.adapters) {
    names += (names.empty() ? "" : ", ") + shown_name(path);
  }
  AdapterOutput output{store,
                       std::move(result.whole),
                       true,
                       fmt::format("A LoRA adapter, merged from {} by {}.", names, request.method),
                       {{"weights", fmt::format("{}", fmt::join(options.weights, ", "))}}};
  if (request.density) output.facts.emplace_back("density", fmt::format("{}", *request.density));
  for (const Adapter& adapter : adapters) check_unchanged(adapter.weights(), "merge");
  finish_adapter(std::move(output), config_of(adapters, result, store),
                 provenance_of(request, options, result), folder, request.sync, request.force,
                 report, progress);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

std::vector<std::pair<std::string, std::string>> adapter_methods() {
  std::vector<std::pair<std::string, std::string>> list;
  for (const CombineMethod& method : combine_methods()) {
    list.emplace_back(method.name, method.summary);
  }
  return list;
}

}  // namespace merganser
