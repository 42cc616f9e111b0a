#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "api/adapter_output.h"
#include "api/unchanged.h"
#include "base/error.h"
#include "base/text.h"
#include "lora/card.h"
#include "lora/extract.h"
#include "merganser/adapter.h"
#include "plan/models.h"

namespace merganser {
namespace {

PlanModel open(const std::string& path) { return open_model(model_ref(path), ""); }

std::vector<Filter> compiled(const std::vector<std::string>& patterns) {
  std::vector<Filter> filters;
  for (const std::string& pattern : patterns) {
    try {
      filters.push_back(Filter::make(Filter::Kind::regex, pattern));
    } catch (const Error& error) {
      throw Error(ErrorKind::usage, error.message()).hint(error.advice());
    }
  }
  return filters;
}

// Under the base's names: those are what an adapter of it is told by.
std::vector<TensorPair> pair_up(const PlanModel& base, const PlanModel& tuned) {
  std::map<std::string, TensorPair> pairs;
  for (std::size_t i = 0; i < base.names.size(); ++i) {
    if (base.names[i].empty()) continue;
    TensorPair& pair = pairs[base.names[i]];
    pair.base = i;
    pair.base_info = &base.headers()[i];
  }
  for (std::size_t i = 0; i < tuned.names.size(); ++i) {
    if (tuned.names[i].empty()) continue;
    TensorPair& pair = pairs[tuned.names[i]];
    pair.tuned = i;
    pair.tuned_info = &tuned.headers()[i];
  }
  std::vector<TensorPair> list;
  for (auto& [name, pair] : pairs) {
    pair.name = name;
    list.push_back(std::move(pair));
  }
  return list;
}

// PEFT's classes by what the model is for; null is the plain one.
Json task_type(const PlanModel& base) {
  const std::string& name = base.architecture.architecture();
  if (name.ends_with("ForCausalLM") || name.ends_with("LMHeadModel")) return "CAUSAL_LM";
  return nullptr;
}

Json config_of(const ExtractRequest& request, const PlanModel& base, const ExtractPlan& plan,
               const ExtractResult& result, const TermStore& store) {
  std::vector<std::string> targets;
  for (const TermStore::Entry& entry : store.entries()) {
    if (entry.rank > 0) targets.push_back(entry.module.name);
  }
  Json saved = nullptr;
  if (!result.saved_modules.empty()) saved = short_names(result.saved_modules, plan.all);
  bool input_first = false;
  for (const ExtractModule& module : plan.modules) {
    input_first = input_first || (module.transposed && module.kind == AdapterModule::Kind::linear);
  }
  return {{"base_model_name_or_path", request.base},
          {"bias", result.biases ? "lora_only" : "none"},
          {"fan_in_fan_out", input_first},
          {"inference_mode", true},
          {"init_lora_weights", true},
          {"lora_dropout", 0.0},
          {"modules_to_save", std::move(saved)},
          {"peft_type", "LORA"},
          {"target_modules", short_names(targets, plan.all)},
          {"task_type", task_type(base)},
          {"use_dora", false},
          {"use_rslora", false}};
}

Json provenance_of(const ExtractRequest& request, const ExtractResult& result) {
  const auto input = [](const std::string& path, const std::vector<ReadTensor>& read) {
    return Json{{"model", path}, {"tensors", to_json(read)}};
  };
  return {{"kind", "adapter extraction"},
          {"finetuned", input(request.finetuned, result.tuned_read)},
          {"base", input(request.base, result.base_read)},
          {"options",
           {{"max_rank", request.max_rank},
            {"sv_epsilon", request.sv_epsilon},
            {"energy", request.energy},
            {"budget", request.budget},
            {"distribute_scale", request.distribute_scale},
            {"embed_lora", request.embed_lora},
            {"skip_undecomposable", request.skip_undecomposable},
            {"save_modules", request.save_modules},
            {"include_regexes", request.include_regexes},
            {"exclude_regexes", request.exclude_regexes},
            {"dtype", request.dtype}}}};
}

TargetInput target_input(const PlanModel& model, const std::string& name) {
  TargetInput input{name, {model.path}};
  for (const auto& file : model.file->checkpoint().files()) input.places.push_back(file);
  return input;
}

}  // namespace

AdapterReport extract_adapter(const ExtractRequest& request, Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  check_energy(request.energy);
  if (request.max_rank == 0) {
    throw Error(ErrorKind::usage, "--max-rank must be at least 1");
  }
  if (!(request.sv_epsilon >= 0)) {
    throw Error(ErrorKind::usage, "--sv-epsilon must not be negative");
  }
  const ExtractOptions options{{request.max_rank, request.sv_epsilon, request.energy},
                               request.budget,
                               parse_factor_dtype(request.dtype)};
  const ExtractSelection selection{request.save_modules, compiled(request.include_regexes),
                                   compiled(request.exclude_regexes), request.embed_lora,
                                   request.skip_undecomposable};
  AdapterReport report{.output = request.output, .method = "extraction"};
  std::vector<PlanModel> models;
  models.push_back(open(request.base));
  models.push_back(open(request.finetuned));
  bridge_prefixes(models, 0, report.notes);
  const auto pairs = pair_up(models[0], models[1]);
  const ExtractPlan plan = plan_extraction(pairs, models[0].architecture, selection);
  const TargetInput inputs[] = {target_input(models[0], request.base),
                                target_input(models[1], request.finetuned)};
  // How much is written is known when the ranks are; a full disk stops the run then.
  check_target(inputs, false, 0, request.output, request.force);
  OutputFolder folder(request.output, false);
  use_threads(request.threads);
  progress.stage("extracting");
  TermStore store(folder.path());
  ExtractResult result =
      extract(plan, pairs, *models[0].source, *models[1].source, options, store, progress);
  report.saved_modules = result.saved_modules;
  report.unchanged = result.unchanged;
  for (const Skipped& tensor : result.left_out)
    report.left_out.push_back({tensor.name, tensor.reason});
  report.notes.insert(report.notes.end(), plan.notes.begin(), plan.notes.end());
  report.bytes_read = result.bytes_read;
  AdapterOutput output{store,
                       result.whole,
                       request.distribute_scale,
                       fmt::format("A LoRA adapter: what {} changed of {}, by singular value "
                                   "decompositions of the differences.",
                                   shown_name(request.finetuned), shown_name(request.base)),
                       {{"largest rank allowed", std::to_string(request.max_rank)}}};
  if (request.energy < 1) {
    output.facts.emplace_back("share of each squared norm held", fmt::format("{}", request.energy));
  }
  if (request.budget > 0) {
    output.facts.emplace_back("budget of all factors", human_bytes(request.budget));
  }
  for (const PlanModel& model : models) check_unchanged(model, "extract");
  finish_adapter(std::move(output), config_of(request, models[0], plan, result, store),
                 provenance_of(request, result), folder, request.sync, request.force, report,
                 progress);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

}  // namespace merganser
