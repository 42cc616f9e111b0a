#include "api/analysis_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "api/request.h"
#include "base/error.h"
#include "plan/models.h"
#include "recipe/parse.h"
#include "smile/changes.h"

namespace merganser {
namespace {

// Outputs in working precision: what rounding them to the models' type costs is no loss of the
// method.
void keep_precision(Plan& plan) {
  std::erase_if(plan.jobs, [](const PlanJob& job) {
    return job.action == PlanJob::Action::integers || !is_float(job.output.dtype);
  });
  for (PlanJob& job : plan.jobs) job.output.dtype = job.f64 ? DType::f64 : DType::f32;
}

std::vector<std::pair<std::string, Value>> shared_parameters(const Plan& plan) {
  for (const PlanJob& job : plan.jobs) {
    if (job.action != PlanJob::Action::merge) continue;
    std::vector<std::pair<std::string, Value>> parameters(job.settings.shared.begin(),
                                                          job.settings.shared.end());
    // Where models have values of their own, the first tensor's stand for all.
    for (std::size_t i = 0; i < job.settings.per_input.size(); ++i) {
      for (const auto& [name, value] : job.settings.per_input[i]) {
        parameters.emplace_back(fmt::format("{}[{}]", name, i), value);
      }
    }
    return parameters;
  }
  return {};
}

// Tensors without experts that do not stay the base's.
void keep_averages(Plan& plan, const SmileModules& modules) {
  const std::set<std::size_t> upscaled = upscaled_jobs(modules);
  std::vector<PlanJob> kept;
  for (std::size_t j = 0; j < plan.jobs.size(); ++j) {
    PlanJob& job = plan.jobs[j];
    const bool rest = job.action == PlanJob::Action::merge && job.base && !upscaled.contains(j);
    if (rest && rest_of(job) == "average") kept.push_back(std::move(job));
  }
  plan.jobs = std::move(kept);
}

class RecipeModels {
 public:
  explicit RecipeModels(const AnalysisRequest& request)
      : request_(request),
        text_(read_recipe(request.recipe_file)),
        recipe_(parse_recipe(text_, request.recipe_file)) {}

  AnalysisModels run() {
    const ModelRef base = base_model();
    found_.seed = recipe_.seed;
    if (request_.losses) plan_merge();
    add(base, recipe_.file);
    for (const auto& document : recipe_.documents) add_all(*document);
    add_all(recipe_);
    if (found_.models.size() < 2) {
      throw Error(ErrorKind::recipe, "the recipe names no model besides its base")
          .in_file(recipe_.file);
    }
    return std::move(found_);
  }

 private:
  ModelRef base_model() const {
    const auto checkpoint = [this](const std::optional<ModelRef>& ref) {
      return ref && recipe_.document(*ref) == nullptr;
    };
    if (checkpoint(recipe_.base_model)) return *recipe_.base_model;
    for (const auto& document : recipe_.documents) {
      if (checkpoint(document->base_model)) return *document->base_model;
    }
    throw Error(ErrorKind::recipe, "the recipe names no base_model to compare its models with")
        .in_file(recipe_.file)
        .hint("add base_model:, or give the checkpoints: merganser analyze BASE FINETUNED...");
  }

  void add_all(const Recipe& recipe) {
    for (const ModelRef& ref : recipe.referenced_models()) {
      if (recipe_.document(ref) == nullptr) add(ref, recipe.file);
    }
  }

  // From the merge's plan, where there is one: its files are open.
  void add(const ModelRef& ref, const std::string& file) {
    const auto same = [&](const PlanModel& known) { return known.ref.same_as(ref); };
    if (std::ranges::any_of(found_.models, same)) return;
    const auto opened = std::ranges::find_if(opened_, same);
    found_.models.push_back(opened == opened_.end() ? open_model(ref, file) : *opened);
  }

  // The recipe's own merge, or a note that says why it cannot be foretold.
  void plan_merge() {
    Request merge;
    merge.recipe_text = text_;
    merge.recipe_place = request_.recipe_file;
    merge.seed = request_.seed;
    merge.threads = request_.threads;
    try {
      Prepared prepared = prepare(merge);
      Plan& plan = prepared.mixture ? prepared.mixture->plan : prepared.plan;
      for (const PlanModel* model : plan.checkpoints()) opened_.push_back(as_opened(*model));
      AnalysedMethod method;
      method.from_recipe = true;
      method.name = recipe_.method;
      method.label = fmt::format("{}, as in the recipe", method.name);
      method.parameters = shared_parameters(plan);
      if (prepared.mixture) {
        take_mixture(method, *prepared.mixture);
      } else {
        take_merge(method, std::move(plan));
      }
      found_.own = std::move(method);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::mismatch) throw;
      found_.notes.push_back(fmt::format("the recipe's merge is left out: {}", error.what()));
    }
  }

  void take_merge(AnalysedMethod& method, Plan plan) {
    if (plan.method->task_masks) {
      found_.notes.push_back(fmt::format(
          "{} keeps a mask for each task: its losses are those of the unified model before any "
          "mask",
          method.name));
    }
    keep_precision(plan);
    method.plan = std::move(plan);
  }

  void take_mixture(AnalysedMethod& method, Mixture& mixture) {
    const SmileModules& modules = mixture.modules;
    method.carried = carried_by(mixture.plan, modules);
    found_.values = values_needed(modules);
    if (modules.budget && !modules.ranks_known) {
      found_.notes.push_back(
          "the recipe's SMILE spreads its parameters by the singular values: equal ranks of the "
          "same size stand for them here");
    }
    keep_averages(mixture.plan, modules);
    keep_precision(mixture.plan);
    if (!mixture.plan.jobs.empty()) method.plan = std::move(mixture.plan);
  }

  const AnalysisRequest& request_;
  std::string text_;
  Recipe recipe_;
  std::vector<PlanModel> opened_;
  AnalysisModels found_;
};

}  // namespace

AnalysisModels analysis_models(const AnalysisRequest& request) {
  if (!request.recipe_file.empty()) return RecipeModels(request).run();
  AnalysisModels found;
  found.models.push_back(open_model(model_ref(request.base), ""));
  for (const std::string& name : request.models) {
    found.models.push_back(open_model(model_ref(name), ""));
  }
  return found;
}

}  // namespace merganser
