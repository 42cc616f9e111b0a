#include "recipe/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "recipe/check_value.h"
#include "recipe/yaml_walk.h"

namespace merganser {
namespace {

enum class Level { recipe, module, slice, source };

// The models: form is one slice of whole models.
struct SliceView {
  const RecipeModule& module;
  const RecipeSlice* slice;  // null in the models: form
  const std::vector<RecipeSource>& sources;
  Mark mark;
};

bool is_given(const Parameters* level, std::string_view name) {
  if (!level) return false;
  const auto found = level->find(name);
  if (found == level->end()) return false;
  // An empty list is MergeKit's way to leave a parameter unset.
  return std::any_of(found->second.cases.begin(), found->second.cases.end(),
                     [](const SettingCase& one) {
                       const auto* list = std::get_if<std::vector<Value>>(&one.value);
                       return !list || !list->empty();
                     });
}

std::string plural(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

class Validator {
 public:
  Validator(const Recipe& recipe, const Descriptor& method) : recipe_(recipe), method_(method) {}

  void run() const {
    if (recipe_.modules.empty()) fail(recipe_.method_mark, "the recipe names no models");
    table(recipe_.parameters, Level::recipe);
    for (const RecipeModule& module : recipe_.modules) {
      table(module.parameters, Level::module);
      if (!module.models.empty()) slice({module, nullptr, module.models, module.mark});
      for (const RecipeSlice& one : module.slices) {
        table(one.parameters, Level::slice);
        slice({module, &one, one.sources, one.mark});
      }
    }
    heads();
  }

 private:
  [[noreturn]] void fail(Mark mark, std::string message, std::string_view hint = {}) const {
    yaml::fail(recipe_.file, mark, std::move(message), hint);
  }

  // Names, types and ranges of one `parameters:`.
  void table(const Parameters& parameters, Level level) const {
    for (const auto& [name, setting] : parameters) {
      const Mark mark{setting.line, setting.column};
      const Parameter* parameter = method_.find(name);
      if (!parameter) {
        const std::vector<std::string> names = method_.parameter_names();
        fail(mark, fmt::format("method '{}' has no parameter {}", method_.name, yaml::quoted(name)),
             names.empty() ? "it takes none" : suggestion(name, names));
      }
      if (level == Level::source && parameter->scope == ParameterScope::shared) {
        fail(mark,
             fmt::format("'{}' is shared by all models of a tensor and cannot be set for one model",
                         name),
             "put it under the 'parameters' of the slice, the module or the recipe");
      }
      if (level != Level::recipe && parameter->constant) {
        fail(mark, fmt::format("'{}' must be the same for every tensor", name),
             "put it under the recipe's own 'parameters'");
      }
      check_setting(*parameter, setting, recipe_.file);
    }
  }

  // The base_model that takes part in the slice. One that is not listed among a slice's sources
  // does so only where the method has a part for it: else it lends its config and files.
  const ModelRef* base_of(const SliceView& view) const {
    const ModelRef* base = recipe_.base_model ? &*recipe_.base_model : nullptr;
    if (view.slice && view.slice->base_model) base = &*view.slice->base_model;
    if (!base || !view.slice || method_.base != BaseRole::ordinary) return base;
    return lists(view, *base) ? base : nullptr;
  }

  void slice(const SliceView& view) const {
    if (view.sources.empty()) fail(view.mark, "a slice without sources");
    for (const RecipeSource& source : view.sources) table(source.parameters, Level::source);
    twice(view);
    layer_ranges(view);
    const ModelRef* base = base_of(view);
    if (!base && method_.base == BaseRole::required) {
      fail(recipe_.method_mark, fmt::format("method '{}' needs a base_model", method_.name),
           "add 'base_model: MODEL' to the recipe");
    }
    if (!base && recipe_.integers == IntegerRule::base) {
      fail(view.mark,
           view.slice ? "'integers: base' needs a base_model among the slice's sources"
                      : "'integers: base' needs a base_model",
           "add 'base_model: MODEL' or use 'integers: first'");
    }
    inputs(view, base);
    required(view, base);
  }

  void twice(const SliceView& view) const {
    for (std::size_t i = 0; i < view.sources.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (!view.sources[i].model.same_as(view.sources[j].model)) continue;
        const Mark first = view.sources[j].model.mark;
        std::string message =
            fmt::format("model '{}' stands twice in one {}", view.sources[i].model.to_string(),
                        view.slice ? "slice" : "list of models");
        if (first.line != 0) message += fmt::format(", first at {}:{}", first.line, first.column);
        fail(view.sources[i].model.mark, std::move(message), "keep one of them");
      }
    }
  }

  void layer_ranges(const SliceView& view) const {
    const RecipeSource& first = view.sources.front();
    for (const RecipeSource& source : view.sources) {
      if (source.layers.has_value() != first.layers.has_value()) {
        fail((source.layers ? first : source).mark,
             "a source without layer_range in a slice whose other sources have one",
             "give each source of the slice a layer_range");
      }
      if (!source.layers) continue;
      const auto [begin, end] = *source.layers;
      if (begin >= end) {
        fail(source.mark, fmt::format("layer_range [{}, {}] holds no layer", begin, end));
      }
      const std::size_t expected = (*first.layers)[1] - (*first.layers)[0];
      if (end - begin == expected) continue;
      fail(source.mark,
           fmt::format("layer_range [{}, {}] has {}, the slice's first source has {}", begin, end,
                       plural(end - begin, "layer"), plural(expected, "layer")),
           "all sources of a slice need ranges of the same length");
    }
  }

  static bool lists(const SliceView& view, const ModelRef& model) {
    return std::any_of(view.sources.begin(), view.sources.end(),
                       [&](const RecipeSource& source) { return source.model.same_as(model); });
  }

  // As MergeKit counts: a base_model that is not listed is appended.
  void inputs(const SliceView& view, const ModelRef* base) const {
    const bool appended = base && !lists(view, *base);
    const bool apart = method_.base != BaseRole::ordinary && base;
    const std::size_t count = view.sources.size() + (appended ? 1 : 0) - (apart ? 1 : 0);
    const std::size_t low = method_.min_inputs, high = method_.max_inputs;
    if (count >= low && count <= high) return;
    const std::string wanted = low == high   ? fmt::format("exactly {}", plural(low, "model"))
                               : count < low ? fmt::format("at least {}", plural(low, "model"))
                                             : fmt::format("at most {}", plural(high, "model"));
    fail(view.mark,
         fmt::format("method '{}' takes {}{}, and here {} {}", method_.name, wanted,
                     apart ? " besides the base_model" : "", count == 1 ? "is" : "are", count),
         appended && !apart
             ? fmt::format("base_model '{}' is not listed, so it counts as one more model, as in "
                           "MergeKit",
                           base->to_string())
             : "");
  }

  void required(const SliceView& view, const ModelRef* base) const {
    const Parameters* of_slice = view.slice ? &view.slice->parameters : nullptr;
    for (const Parameter& parameter : method_.parameters) {
      if (parameter.fallback || parameter.optional) continue;
      const bool everywhere = is_given(of_slice, parameter.name) ||
                              is_given(&view.module.parameters, parameter.name) ||
                              is_given(&recipe_.parameters, parameter.name);
      if (everywhere) continue;
      if (parameter.scope == ParameterScope::shared) {
        fail(view.slice ? view.mark : recipe_.method_mark,
             fmt::format("method '{}' needs the parameter '{}'", method_.name, parameter.name),
             fmt::format("add '{}' to the recipe's 'parameters'", parameter.name));
      }
      const bool of_base = method_.base == BaseRole::ordinary;
      for (const RecipeSource& source : view.sources) {
        if (!of_base && base && source.model.same_as(*base)) continue;
        if (is_given(&source.parameters, parameter.name)) continue;
        fail(source.mark,
             fmt::format("method '{}' needs '{}' for model '{}'", method_.name, parameter.name,
                         source.model.to_string()),
             "set it under the model's 'parameters', or for all models under the recipe's");
      }
      if (of_base && base && !lists(view, *base)) {
        fail(base->mark,
             fmt::format("method '{}' needs '{}' for base_model '{}', which is not listed and so "
                         "counts as one more model, as in MergeKit",
                         method_.name, parameter.name, base->to_string()),
             "list it with its own value, leave base_model out, or set the parameter for all");
      }
    }
  }

  // The model whose heads are kept must be one that is merged.
  void heads() const {
    if (!recipe_.heads.from) return;
    Recipe inputs = recipe_;
    inputs.heads.from.reset();
    std::vector<std::string> names;
    for (const ModelRef& model : inputs.referenced_models()) {
      if (model.same_as(*recipe_.heads.from)) return;
      names.push_back(model.to_string());
    }
    const std::string name = recipe_.heads.from->to_string();
    fail(recipe_.heads.from->mark, fmt::format("'keep_from' names '{}', which is not merged", name),
         suggestion(name, names));
  }

  const Recipe& recipe_;
  const Descriptor& method_;
};

}  // namespace

void validate(const Recipe& recipe, const Descriptor& method) { Validator(recipe, method).run(); }

}  // namespace merganser
