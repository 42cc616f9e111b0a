#include "runtime_api/open_model.h"

#include <ATen/Parallel.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "plan/plan.h"
#include "recipe/format.h"
#include "runtime/memory.h"

namespace merganser {

namespace {
constexpr std::uint64_t kMostConfig = 1 << 24;
}

rt::Placement place_runtime(const RuntimeOptions& options) {
  if (options.threads > 0) at::set_num_threads(static_cast<int>(options.threads));
  if (options.batch < 1) throw Error(ErrorKind::usage, "a batch has at least one row");
  return rt::parse_placement(options.device, options.dtype);
}

namespace {

OpenModel open(const Request& request, const std::string& name, const rt::Placement& placement) {
  OpenModel opened;
  opened.name = name;
  opened.plan = std::make_shared<const Plan>(std::move(prepare(request).plan));
  const PlanModel& model = opened.plan->models.front();
  opened.source = model.source;
  if (model.config() == nullptr) {
    throw Error(ErrorKind::unsupported, "without a config.json a model cannot be run")
        .in_file(model.path.string())
        .hint("give the folder that holds it");
  }
  opened.config = std::make_shared<const Json>(*model.config());
  opened.config_place = (model.path / "config.json").string();
  rt::need_memory(*opened.source, placement);
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

OpenModel draw_model(const std::string& folder, std::uint64_t seed,
                     const rt::Placement& placement) {
  OpenModel opened;
  opened.name = folder;
  opened.config_place = (std::filesystem::path(folder) / "config.json").string();
  opened.config = std::make_shared<const Json>(
      parse_json(read_text(opened.config_place, kMostConfig), opened.config_place));
  rt::Weights weights(seed, placement);
  opened.model = rt::build_model(rt::Config(*opened.config, opened.config_place), weights);
  return opened;
}

}  // namespace merganser
