#include "api/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "linalg/blas_info.h"
#include "methods/registry.h"
#include "plan/models.h"
#include "recipe/parse.h"
#include "smile/expand.h"

namespace merganser {
namespace {

constexpr std::uint64_t kMaxRecipe = 1 << 20;

Error unknown_method(const std::string& name) {
  return Error(ErrorKind::recipe, fmt::format("merge method '{}' is unknown", name))
      .hint(suggestion(name, method_names()));
}

std::string yaml_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// "0.3,0.7" with two models: one value for each. Commas inside brackets are YAML's.
std::vector<std::string> values_by_model(const std::string& value, std::size_t models) {
  if (value.find_first_of("[{") != std::string::npos) return {};
  std::vector<std::string> values;
  for (const std::string_view part : split(value, ',')) values.emplace_back(part);
  return values.size() == models && models > 1 ? values : std::vector<std::string>{};
}

// A model of a command line in the mapping form, which any path can take.
std::string model_text(const std::string& name) {
  const ModelRef ref = model_ref(name);
  const auto place = [](const std::string& path, const std::string& revision) {
    std::string text = fmt::format("{{path: {}", yaml_quoted(path));
    if (!revision.empty()) text += fmt::format(", revision: {}", yaml_quoted(revision));
    return text + "}";
  };
  std::string text = fmt::format("{{model: {}", place(ref.path, ref.revision));
  if (!ref.lora_path.empty()) {
    text += fmt::format(", lora: {}", place(ref.lora_path, ref.lora_revision));
  }
  return text + "}";
}

// The recipe of a one-line command, as text: it is recorded and can be run again.
std::string compose_recipe(const Request& request) {
  const Descriptor* known = find_method(request.method);
  if (known == nullptr) throw unknown_method(request.method);
  const Descriptor& method = *known;
  std::vector<std::string> models = request.models;
  std::string base = request.base_model;
  if (base.empty() && method.base == BaseRole::required) {
    // Of exactly two models the first is the natural base (slerp A B); of more it is a guess.
    if (method.max_inputs != 1 || models.size() != 2) {
      throw Error(ErrorKind::usage, fmt::format("{} needs --base-model", method.name));
    }
    base = models.front();
  }
  std::erase(models, base);
  std::vector<std::pair<std::string, std::string>> parameters = request.parameters;
  const Parameter* weight = method.find("weight");
  const auto is_weight = [](const auto& p) { return p.first == "weight"; };
  if (weight != nullptr && !weight->fallback &&
      std::none_of(parameters.begin(), parameters.end(), is_weight)) {
    parameters.emplace_back("weight", "1");
  }
  std::string text = fmt::format("merge_method: {}\n", request.method);
  const bool listed = !base.empty() && method.base == BaseRole::ordinary;
  if (listed) models.insert(models.begin(), base);
  if (!base.empty()) text += fmt::format("base_model: {}\n", model_text(base));
  if (!request.dtype.empty()) text += fmt::format("dtype: {}\n", request.dtype);
  std::string shared;
  std::vector<std::string> own(models.size());
  for (const auto& [name, value] : parameters) {
    const auto values = values_by_model(value, models.size());
    const Parameter* parameter = method.find(name);
    if (values.empty() || parameter == nullptr || parameter->scope != ParameterScope::per_input) {
      shared += fmt::format("  {}: {}\n", name, value);
      continue;
    }
    for (std::size_t i = 0; i < models.size(); ++i) {
      own[i] += fmt::format("      {}: {}\n", name, values[i]);
    }
  }
  text += "models:\n";
  for (std::size_t i = 0; i < models.size(); ++i) {
    text += fmt::format("  - model: {}\n", model_text(models[i]));
    if (!own[i].empty()) text += "    parameters:\n" + own[i];
  }
  if (!shared.empty()) text += "parameters:\n" + shared;
  return text;
}

Recipe recipe_of(const Request& request) {
  if (!request.recipe_file.empty()) {
    return parse_recipe(read_recipe(request.recipe_file), request.recipe_file);
  }
  if (!request.recipe_text.empty()) {
    return parse_recipe(request.recipe_text, request.recipe_place);
  }
  if (request.method.empty()) {
    throw Error(ErrorKind::usage, "there is neither a recipe nor a method with models");
  }
  if (request.models.empty()) throw Error(ErrorKind::usage, "no model is given");
  return parse_recipe(compose_recipe(request), "");
}

const Descriptor& method_of(const Recipe& recipe) {
  const Descriptor* method = find_method(recipe.method);
  if (method != nullptr) return *method;
  throw unknown_method(recipe.method)
      .in_file(recipe.file)
      .at(recipe.method_mark.line, recipe.method_mark.column);
}

bool uses_blas(const Recipe& recipe) {
  return method_of(recipe).blas || std::ranges::any_of(recipe.documents, [](const auto& each) {
           return method_of(*each).blas;
         });
}

Plan plan_of(const Request& request, Recipe recipe) {
  return make_plan(std::move(recipe), method_of,
                   {.max_shard = request.max_shard,
                    .only = request.only,
                    .allow_mixed_architectures = request.allow_mixed_architectures,
                    .seed = request.seed});
}

void expand_mixture(Prepared& prepared) {
  for (const Plan* document : prepared.plan.documents()) {
    if (!document->method->mixture) continue;
    throw Error(ErrorKind::recipe,
                fmt::format("document '{}' makes a mixture of experts, which is merged no further",
                            document->recipe.name))
        .in_file(prepared.plan.recipe.file);
  }
  if (!prepared.plan.method->mixture) return;
  SmileModules modules = find_smile_modules(prepared.plan);
  complete_modules(prepared.plan, modules);
  Mixture mixture{std::move(prepared.plan), std::move(modules)};
  prepared.plan = expand(mixture.plan, mixture.modules);
  prepared.mixture = std::move(mixture);
}

// Decomposing goes before writing, so the larger of the two counts.
void add_mixture_memory(Prepared& prepared, const Request& request) {
  if (!prepared.mixture) return;
  const std::uint64_t needed = decompose_memory(prepared.mixture->plan, prepared.mixture->modules);
  if (request.memory != 0 && needed > request.memory) {
    throw Error(ErrorKind::usage,
                fmt::format("--memory {} is too small to decompose the largest layer",
                            human_bytes(request.memory)))
        .hint(fmt::format("it needs {}", human_bytes(needed)));
  }
  prepared.budget.peak_bytes = std::max(prepared.budget.peak_bytes, needed);
}

}  // namespace

std::string read_recipe(const std::string& file) { return read_text(file, kMaxRecipe); }

Prepared prepare(const Request& request) {
  if (request.max_shard == 0) {
    throw Error(ErrorKind::usage, "--max-shard-size must not be 0");
  }
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  const unsigned threads = request.threads == 0 ? cores : request.threads;
  Prepared prepared;
  try {
    Recipe recipe = recipe_of(request);
    prepared.blas = uses_blas(recipe);
    // Before the plan: what a decomposition needs goes by the number of threads.
    if (prepared.blas) set_blas_threads(request.blas_threads > 0 ? request.blas_threads : threads);
    prepared.plan = plan_of(request, std::move(recipe));
    expand_mixture(prepared);
  } catch (Error& error) {
    // Lines of a recipe that a command composed mean nothing to who typed the command.
    if (!request.method.empty()) error.at(0, 0);
    throw;
  }
  prepared.budget = plan_budget(prepared.plan, request.memory, threads);
  add_mixture_memory(prepared, request);
  return prepared;
}

}  // namespace merganser
