#include "plan/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "plan/jobs.h"
#include "plan/models.h"
#include "plan/slices.h"
#include "plan/task_masks.h"
#include "plan/untie.h"
#include "recipe/validate.h"

namespace merganser {
namespace {

// The config keys that name the stored type, in the config itself and one level down (text_config).
void set_dtype(Json& config, DType dtype) {
  for (const char* key : {"torch_dtype", "dtype"}) {
    if (config.contains(key) && config[key].is_string()) config[key] = torch_name(dtype);
  }
  for (auto& [key, value] : config.items()) {
    if (key.ends_with("_config") && value.is_object()) set_dtype(value, dtype);
  }
}

// The type of most of the output's bytes.
std::optional<DType> main_dtype(const std::vector<PlanJob>& jobs) {
  std::map<DType, std::uint64_t> bytes;
  for (const PlanJob& job : jobs) {
    if (is_float(job.output.dtype)) bytes[job.output.dtype] += job.output.bytes();
  }
  if (bytes.empty()) return std::nullopt;
  const auto less = [](const auto& a, const auto& b) { return a.second < b.second; };
  return std::max_element(bytes.begin(), bytes.end(), less)->first;
}

// A head that some inputs have and others tie to their embedding is written out; a config that says
// "tied" would make the loader ignore it.
bool head_untied(const Plan& plan) {
  const PlanModel& reference = plan.models[plan.reference];
  for (const TiedPair& pair : reference.architecture.tied()) {
    const auto written = [&](const PlanJob& job) { return job.output.name == pair.name; };
    const bool stored = std::find(reference.names.begin(), reference.names.end(), pair.name) !=
                        reference.names.end();
    if (!stored && std::any_of(plan.jobs.begin(), plan.jobs.end(), written)) return true;
  }
  return false;
}

void make_config(Plan& plan, const std::vector<PlannedModule>& modules) {
  const PlanModel& reference = plan.models[plan.reference];
  const Json* stored = reference.config();
  if (stored == nullptr) return;
  Json config = *stored;
  for (const PlannedModule& module : modules) {
    if (!module.stacked) continue;
    std::vector<Architecture::LayerOrigin> origins;
    for (const PlannedSlice& slice : module.slices) {
      // Per-layer settings come with the layer: of the base where it takes part, else of the first.
      const SliceSource* origin = &slice.sources.front();
      for (const SliceSource& source : slice.sources) {
        if (slice.base && source.model == *slice.base) origin = &source;
      }
      const Json* origin_config = plan.models[origin->model].config();
      for (std::size_t l = origin->first; l < origin->last; ++l) {
        origins.push_back({origin_config, l});
      }
    }
    config = reference.architecture.stacked_config(config, module.module, origins, plan.warnings);
  }
  if (const auto dtype = main_dtype(plan.jobs)) set_dtype(config, *dtype);
  if (head_untied(plan)) {
    untie(config);
    plan.notes.push_back("the output head is written, so tie_word_embeddings becomes false");
  }
  plan.config = std::make_shared<const Json>(std::move(config));
}

}  // namespace

void untie(Json& config) {
  for (auto& [key, value] : config.items()) {
    if (key == "tie_word_embeddings") value = false;
    if (value.is_object()) untie(value);
  }
}

MergeTensor PlanJob::merge_tensor() const {
  MergeTensor tensor{output.name, output.shape, output.size(), settings, numbers};
  tensor.has_base = base.has_value();
  tensor.vocabulary = place.vocabulary;
  return tensor;
}

std::string_view name_of(PlanJob::Action action) {
  switch (action) {
    case PlanJob::Action::merge:
      return "merge";
    case PlanJob::Action::copy:
      return "copy";
    case PlanJob::Action::integers:
      return "integers";
    case PlanJob::Action::make:
      return "make";
  }
  return "";
}

std::vector<TensorInfo> Plan::outputs() const {
  std::vector<TensorInfo> infos;
  for (const PlanJob& job : jobs) infos.push_back(job.output);
  return infos;
}

const PlanModel& Plan::origin() const {
  const PlanModel& model = models[reference];
  return model.document ? model.document->origin() : model;
}

std::vector<const PlanModel*> Plan::checkpoints() const {
  std::vector<const PlanModel*> found;
  const auto add = [&](const PlanModel* model) {
    const auto same = [&](const PlanModel* known) { return reads_the_same(*known, *model); };
    if (std::none_of(found.begin(), found.end(), same)) found.push_back(model);
  };
  for (const PlanModel& model : models) {
    if (!model.document) {
      add(&model);
      continue;
    }
    for (const PlanModel* checkpoint : model.document->checkpoints()) add(checkpoint);
  }
  return found;
}

std::vector<const Plan*> Plan::documents() const {
  std::vector<const Plan*> found;
  for (const auto& document : recipe.documents) {
    const std::function<const Plan*(const Plan&)> find = [&](const Plan& plan) -> const Plan* {
      for (const PlanModel& model : plan.models) {
        if (!model.document) continue;
        if (model.document->recipe.name == document->name) return model.document.get();
        if (const Plan* deeper = find(*model.document)) return deeper;
      }
      return nullptr;
    };
    if (const Plan* plan = find(*this)) found.push_back(plan);
  }
  return found;
}

namespace {

Plan plan_document(Recipe recipe, const FindMethod& find_method, const PlanOptions& options,
                   std::span<const std::shared_ptr<const Plan>> documents) {
  const Descriptor& method = find_method(recipe);
  validate(recipe, method);
  Plan plan;
  plan.recipe = std::move(recipe);
  if (options.seed) plan.recipe.seed = *options.seed;
  plan.options = options;
  plan.method = &method;
  plan.models = open_models(plan.recipe, documents);
  if (plan.recipe.base_model) plan.reference = model_index(plan.models, *plan.recipe.base_model);
  for (const PlanModel& model : plan.models) {
    plan.notes.insert(plan.notes.end(), model.notes.begin(), model.notes.end());
  }
  bridge_names(plan.models, plan.reference, options.allow_mixed_architectures, plan.notes);

  const auto modules = plan_slices(plan.recipe, plan.method->base, plan.models, plan.reference);
  make_jobs(plan, modules);
  if (plan.jobs.empty()) {
    throw Error(ErrorKind::usage, options.only.empty()
                                      ? "the recipe yields no tensor at all"
                                      : fmt::format("--only '{}' matches no tensor", options.only));
  }
  make_config(plan, modules);
  const auto single = [](const PlanModel& model) { return model.single_file(); };
  plan.single_file = std::all_of(plan.models.begin(), plan.models.end(), single);
  const std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();
  plan.shards = plan_shards(plan.outputs(), plan.single_file ? unlimited : options.max_shard);
  plan_task_masks(plan);
  plan.bytes_written = plan.shards.bytes() + plan.mask_shards.bytes();
  return plan;
}

}  // namespace

Plan make_plan(Recipe recipe, const FindMethod& method, const PlanOptions& options) {
  std::vector<std::shared_ptr<const Plan>> documents;
  PlanOptions whole = options;
  whole.only.clear();
  for (const auto& document : recipe.documents) {
    documents.push_back(
        std::make_shared<const Plan>(plan_document(*document, method, whole, documents)));
  }
  return plan_document(std::move(recipe), method, options, documents);
}

Plan make_plan(Recipe recipe, const Descriptor& method, const PlanOptions& options) {
  return make_plan(
      std::move(recipe), [&](const Recipe&) -> const Descriptor& { return method; }, options);
}

}  // namespace merganser
