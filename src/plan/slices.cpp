#include "plan/slices.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "plan/models.h"

namespace merganser {
namespace {

Error at(Error error, const Recipe& recipe, const Mark& mark) {
  return error.in_file(recipe.file).at(mark.line, mark.column);
}

// Layers of the module that the reference calls `name`, in another model.
std::size_t layers_of(const PlanModel& model, const ArchitectureModule& wanted,
                      std::size_t wanted_index) {
  const auto& modules = model.architecture.modules();
  for (const ArchitectureModule& module : modules) {
    if (module.name == wanted.name) return module.layers;
  }
  return wanted_index < modules.size() ? modules[wanted_index].layers : 0;
}

class Planner {
 public:
  Planner(const Recipe& recipe, BaseRole role, const std::vector<PlanModel>& models,
          std::size_t reference)
      : recipe_(recipe),
        role_(role),
        models_(models),
        modules_(models[reference].architecture.modules()) {}

  std::vector<PlannedModule> plan() const {
    check_module_names();
    std::vector<PlannedModule> planned;
    for (std::size_t i = 0; i < modules_.size(); ++i) planned.push_back(plan_module(i));
    return planned;
  }

 private:
  void check_module_names() const {
    std::vector<std::string> names;
    for (const ArchitectureModule& module : modules_) names.push_back(module.name);
    for (const RecipeModule& module : recipe_.modules) {
      if (module.name.empty()) continue;
      if (std::find(names.begin(), names.end(), module.name) != names.end()) continue;
      throw at(Error(ErrorKind::recipe,
                     fmt::format("module '{}' is not part of this architecture", module.name))
                   .hint(suggestion(module.name, names)),
               recipe_, module.mark);
    }
  }

  const RecipeModule& written_for(std::size_t index) const {
    for (const RecipeModule& module : recipe_.modules) {
      if (module.name.empty() || module.name == modules_[index].name) return module;
    }
    throw Error(ErrorKind::recipe,
                fmt::format("modules: does not say what to do with '{}'", modules_[index].name))
        .in_file(recipe_.file)
        .hint("every module of the architecture needs an entry");
  }

  PlannedModule plan_module(std::size_t index) const {
    const RecipeModule& written = written_for(index);
    PlannedModule planned;
    planned.module = index;
    planned.stacked = !written.slices.empty();
    if (!planned.stacked) {
      planned.slices.push_back(plan_models(written, index));
      return planned;
    }
    if (written.name.empty() && modules_.size() > 1) refuse_slices(written);
    std::size_t output_first = 0;
    for (const RecipeSlice& slice : written.slices) {
      planned.slices.push_back(plan_slice(written, slice, index));
      planned.slices.back().output_first = output_first;
      output_first += planned.slices.back().layers();
    }
    return planned;
  }

  [[noreturn]] void refuse_slices(const RecipeModule& written) const {
    std::vector<std::string> names;
    for (const ArchitectureModule& module : modules_) names.push_back(module.name);
    throw at(
        Error(ErrorKind::recipe,
              fmt::format("slices: cannot be used with several modules ({})", join(names, ", ")))
            .hint("write modules: with slices: for each of them"),
        recipe_, written.slices.front().mark);
  }

  PlannedSlice plan_models(const RecipeModule& written, std::size_t index) const {
    PlannedSlice slice;
    slice.module = &written;
    for (const RecipeSource& source : written.models) {
      const std::size_t model = model_index(models_, source.model);
      const std::size_t layers = layers_of(models_[model], modules_[index], index);
      slice.sources.push_back({model, &source, 0, layers});
    }
    add_base(slice, recipe_.base_model, index);
    for (const SliceSource& source : slice.sources) {
      const SliceSource& first = slice.sources.front();
      if (source.last == first.last) continue;
      throw Error(ErrorKind::mismatch, fmt::format("it has {} layers, but {} has {}", source.last,
                                                   models_[first.model].path.string(), first.last))
          .in_file(models_[source.model].path.string())
          .hint("models of different depth need slices: with layer ranges");
    }
    return slice;
  }

  PlannedSlice plan_slice(const RecipeModule& module, const RecipeSlice& written,
                          std::size_t index) const {
    PlannedSlice slice;
    slice.module = &module;
    slice.written = &written;
    for (const RecipeSource& source : written.sources) {
      const std::size_t model = model_index(models_, source.model);
      const std::size_t layers = layers_of(models_[model], modules_[index], index);
      SliceSource planned{model, &source, 0, layers};
      if (source.layers) {
        planned.first = (*source.layers)[0];
        planned.last = (*source.layers)[1];
      }
      if (planned.last > layers) {
        throw at(
            Error(ErrorKind::mismatch,
                  fmt::format("layer_range [{}, {}) goes beyond the {} layers of {}", planned.first,
                              planned.last, layers, models_[model].path.string()))
                .hint("layer_range is [first, last), counted from 0"),
            recipe_, source.mark);
      }
      slice.sources.push_back(planned);
    }
    for (const SliceSource& source : slice.sources) {
      if (source.last - source.first == slice.layers()) continue;
      throw at(Error(ErrorKind::mismatch, fmt::format("a slice's sources take {} and {} layers",
                                                      slice.layers(), source.last - source.first)),
               recipe_, written.mark);
    }
    add_base(slice, written.base_model ? written.base_model : recipe_.base_model, index);
    return slice;
  }

  // A base that is not among the sources is appended, in a slice with the first one's range.
  // MergeKit does so with models: alone. In slices of a method without a base's part it only lends
  // its config and files; where the method has one, MergeKit refuses the recipe.
  void add_base(PlannedSlice& slice, const std::optional<ModelRef>& ref, std::size_t index) const {
    if (!ref) return;
    const std::size_t base = model_index(models_, *ref);
    const auto is_base = [&](const SliceSource& source) { return source.model == base; };
    const bool listed = std::any_of(slice.sources.begin(), slice.sources.end(), is_base);
    if (!listed && slice.written != nullptr && role_ == BaseRole::ordinary) return;
    slice.base = base;
    if (listed) return;
    SliceSource appended{*slice.base, nullptr, 0,
                         layers_of(models_[*slice.base], modules_[index], index)};
    if (slice.written != nullptr && !slice.sources.empty()) {
      appended.first = slice.sources.front().first;
      appended.last = slice.sources.front().last;
    }
    slice.sources.push_back(appended);
  }

  const Recipe& recipe_;
  const BaseRole role_;
  const std::vector<PlanModel>& models_;
  const std::vector<ArchitectureModule>& modules_;
};

}  // namespace

std::vector<PlannedModule> plan_slices(const Recipe& recipe, BaseRole role,
                                       const std::vector<PlanModel>& models,
                                       std::size_t reference) {
  return Planner(recipe, role, models, reference).plan();
}

}  // namespace merganser
