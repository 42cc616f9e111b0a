#include "lora/extract_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "architecture/weight_layout.h"
#include "base/error.h"

namespace merganser {
namespace {

using Fate = ExtractModule::Fate;

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }

bool any_matches(const std::vector<Filter>& filters, const std::string& name) {
  return std::ranges::any_of(filters, [&](const Filter& filter) { return filter.matches(name); });
}

bool is_embedding(const TensorPlace& place, const std::string& name) {
  if (place.role.starts_with("embed.") && place.role.ends_with(".weight")) {
    return place.role != "embed.patch.weight" && place.role != "embed.norm.weight";
  }
  if (!place.role.empty()) return false;
  const std::string_view last = last_part(name);
  return last.find("embed") != last.npos || last == "wte" || last == "wpe";
}

// The output embedding.
bool is_head(const TensorPlace& place, const std::string& name) {
  return place.role == "head.weight" || (place.role.empty() && last_part(name) == "lm_head");
}

class Planner {
 public:
  Planner(const std::vector<TensorPair>& pairs, const Architecture& architecture,
          const ExtractSelection& selection)
      : pairs_(pairs), architecture_(architecture), selection_(selection) {}

  ExtractPlan run() {
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const std::string& name = pairs_[i].name;
      const std::size_t dot = name.rfind('.');
      if (dot != name.npos && dot > 0) groups_[name.substr(0, dot)].push_back(i);
      if (dot == name.npos || dot == 0) outside(i);
    }
    embed_lora_ = selection_.embed_lora && !vocabulary_differs();
    for (const auto& [name, tensors] : groups_) add(name, tensors);
    add_tied();
    std::ranges::sort(plan_.left_out, {}, &Skipped::name);
    const auto rename = [&](std::string& name) { name = module_in_class(architecture_, name); };
    for (ExtractModule& module : plan_.modules) rename(module.name);
    std::ranges::sort(plan_.modules, {}, &ExtractModule::name);
    std::ranges::for_each(plan_.all, rename);
    for (auto& [name, source] : plan_.tied) {
      rename(name);
      rename(source);
    }
    return std::move(plan_);
  }

 private:
  const TensorPair* find(const std::vector<std::size_t>& tensors, const std::string& name,
                         std::optional<std::size_t>& index) const {
    for (const std::size_t i : tensors) {
      if (pairs_[i].name != name) continue;
      index = i;
      return &pairs_[i];
    }
    return nullptr;
  }

  void outside(std::size_t i) {
    const TensorPair& pair = pairs_[i];
    if (!pair.tuned) return leave(pair.name, "the fine-tuned model does not have it");
    leave(pair.name, "it is no part of a module with a weight, which is all that adapters hold");
  }

  void leave(const std::string& name, std::string reason) {
    plan_.left_out.push_back({name, std::move(reason)});
  }

  void leave_all(const std::vector<std::size_t>& tensors, const std::string& reason) {
    for (const std::size_t i : tensors) leave(pairs_[i].name, reason);
  }

  bool vocabulary_differs() {
    for (const TensorPair& pair : pairs_) {
      if (!pair.base || !pair.tuned || pair.base_info->shape == pair.tuned_info->shape) continue;
      const TensorPlace place = architecture_.place(pair.name);
      if (!place.vocabulary && !is_embedding(place, module_of(pair.name))) continue;
      plan_.notes.push_back(fmt::format(
          "the vocabularies differ ({}: {} and {}), so embeddings are kept whole; the "
          "base must be resized before the adapter is loaded",
          pair.name, to_string(pair.base_info->shape), to_string(pair.tuned_info->shape)));
      return true;
    }
    return false;
  }

  static std::string module_of(const std::string& tensor) {
    return tensor.substr(0, tensor.rfind('.'));
  }

  bool asked_for(const std::string& name) const {
    return std::ranges::any_of(selection_.save_modules, [&](const std::string& wanted) {
      return wanted == name || wanted == last_part(name);
    });
  }

  void keep_whole(ExtractModule module, const std::vector<std::size_t>& tensors, std::string why) {
    module.fate = Fate::whole;
    module.why = std::move(why);
    module.weight.reset();
    for (const std::size_t i : tensors) {
      if (pairs_[i].tuned) {
        module.tensors.push_back(i);
      } else {
        leave(pairs_[i].name, "the fine-tuned model does not have it");
      }
    }
    if (!module.tensors.empty()) plan_.modules.push_back(std::move(module));
  }

  void add(const std::string& name, const std::vector<std::size_t>& tensors) {
    ExtractModule module;
    module.name = name;
    const TensorPair* weight = find(tensors, name + ".weight", module.weight);
    if (weight == nullptr) {
      for (const std::size_t i : tensors) outside(i);
      return;
    }
    if (!weight->tuned) return leave_all(tensors, "the fine-tuned model does not have it");
    plan_.all.push_back(name);
    const TensorInfo& info = *weight->tuned_info;
    const TensorPlace place = architecture_.place(weight->name);
    const bool matrix = info.shape.size() == 2 && is_float(info.dtype);
    const bool embedding = matrix && is_embedding(place, name);
    const bool head = matrix && is_head(place, name);
    const bool excluded = any_matches(selection_.exclude, name);
    if (asked_for(name)) return keep_whole(std::move(module), tensors, "asked for");
    if ((embedding || head) && !embed_lora_ && !excluded) {
      return keep_whole(std::move(module), tensors, embedding ? "embedding" : "output embedding");
    }
    if (excluded || (!selection_.include.empty() && !any_matches(selection_.include, name))) {
      return leave_all(tensors, "not chosen (--include-regex, --exclude-regex)");
    }
    const bool comparable = weight->base && is_float(weight->base_info->dtype);
    if (!matrix || !comparable) {
      const std::string why = comparable || !matrix ? "no matrix" : "the base does not have it";
      if (selection_.skip_undecomposable) return leave_all(tensors, why);
      return keep_whole(std::move(module), tensors, why);
    }
    if (weight->base_info->shape != info.shape) {
      throw Error(ErrorKind::mismatch,
                  fmt::format("its shape is {} in the base and {} in the "
                              "fine-tuned model",
                              to_string(weight->base_info->shape), to_string(info.shape)))
          .in_tensor(weight->name)
          .hint(fmt::format("keep it whole: --save-module {}", last_part(name)));
    }
    module.kind = embedding ? AdapterModule::Kind::embedding : AdapterModule::Kind::linear;
    module.transposed = embedding || is_input_first(architecture_, weight->name);
    for (const std::size_t i : tensors) {
      const TensorPair& pair = pairs_[i];
      if (i == *module.weight) continue;
      if (pair.tuned && pair.name == name + ".bias") {
        module.tensors.push_back(i);
      } else {
        outside(i);
      }
    }
    plan_.modules.push_back(std::move(module));
  }

  void add_tied() {
    for (const TiedPair& tied : architecture_.tied()) {
      const std::string name = module_of(tied.name), source = module_of(tied.source);
      if (groups_.contains(name)) continue;
      const auto at = std::ranges::find(plan_.modules, source, &ExtractModule::name);
      if (at == plan_.modules.end() || at->fate != Fate::whole) continue;
      plan_.all.push_back(name);
      plan_.tied.emplace_back(name, source);
    }
  }

  const std::vector<TensorPair>& pairs_;
  const Architecture& architecture_;
  const ExtractSelection& selection_;
  std::map<std::string, std::vector<std::size_t>> groups_;
  bool embed_lora_ = false;
  ExtractPlan plan_;
};

}  // namespace

ExtractPlan plan_extraction(const std::vector<TensorPair>& pairs, const Architecture& architecture,
                            const ExtractSelection& selection) {
  return Planner(pairs, architecture, selection).run();
}

}  // namespace merganser
