#include "runtime_api/open_model.h"

#include <ATen/Parallel.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "plan/plan.h"
#include "recipe/format.h"

namespace merganser {

rt::Placement place_runtime(const RuntimeOptions& options) {
  if (options.threads > 0) at::set_num_threads(static_cast<int>(options.threads));
  if (options.batch < 1) throw Error(ErrorKind::usage, "a batch has at least one row");
  return rt::parse_placement(options.device, options.dtype);
}

namespace {

OpenModel open(const Request& request, const std::string& name, const rt::Placement& placement) {
  const Prepared prepared = prepare(request);
  const PlanModel& model = prepared.plan.models.front();
  OpenModel opened;
  opened.name = name;
  opened.source = model.source;
  if (model.config() == nullptr) {
    throw Error(ErrorKind::unsupported, "without a config.json a model cannot be run")
        .in_file(model.path.string())
        .hint("give the folder that holds it");
  }
  opened.config = std::make_shared<const Json>(*model.config());
  opened.config_place = (model.path / "config.json").string();
  rt::Weights weights(*opened.source, placement);
  opened.model = rt::build_model(rt::Config(*opened.config, opened.config_place), weights);
  return opened;
}

}  // namespace

OpenModel open_model(const std::string& name, const rt::Placement& placement) {
  Request request;
  request.method = "passthrough";
  request.models = {name};
  return open(request, name, placement);
}

OpenModel open_model(const ModelRef& ref, const std::string& recipe_file,
                     const rt::Placement& placement) {
  Recipe recipe;
  recipe.method = "passthrough";
  recipe.modules.emplace_back().models.emplace_back().model = ref;
  Request request;
  request.recipe_text = to_yaml(recipe);
  request.recipe_place = recipe_file;
  try {
    return open(request, ref.to_string(), placement);
  } catch (Error& error) {
    error.at(0, 0);  // of a text that nobody wrote
    throw;
  }
}

bool is_recipe(const std::string& name) {
  return name.ends_with(".yml") || name.ends_with(".yaml");
}

}  // namespace merganser
