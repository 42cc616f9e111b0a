#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "architecture/config_path.h"
#include "architecture/infer.h"
#include "architecture/resolve.h"
#include "base/error.h"

namespace merganser {
namespace {

// How often the names use each spelling of a module, and the layer numbers they show.
struct Usage {
  std::vector<std::size_t> by_form, by_prefix;
  std::set<std::size_t> numbers;
  bool any = false;
};

std::string config_root(const ModuleData& data, const Json* config) {
  if (config != nullptr) {
    for (const std::string& root : data.config_roots) {
      for (const std::string& key : data.counts) {
        if (find_path(*config, join_path(root, key)) != nullptr) return root;
      }
    }
    for (const std::string& root : data.config_roots) {
      const Json* part = find_path(*config, root);
      if (part != nullptr && part->is_object()) return root;
    }
  }
  return data.config_roots.front();
}

ModuleState start_module(const ModuleData& data, const Json* config) {
  ModuleState module;
  module.data = &data;
  module.root = config_root(data, config);
  module.prefixes = data.prefixes;
  for (const std::string& prefix : data.prefixes) {
    for (const std::string& layers : data.layers) module.forms.push_back(prefix + layers);
  }
  return module;
}

Usage count_usage(const ModuleState& module, std::span<const TensorInfo> tensors) {
  Usage usage;
  usage.by_form.resize(module.forms.size());
  usage.by_prefix.resize(module.prefixes.size());
  const ModuleData& data = *module.data;
  for (const TensorInfo& tensor : tensors) {
    const std::string_view name = tensor.name;
    for (std::size_t i = 0; i < module.forms.size(); ++i) {
      if (const LayerSplit split = split_layer(name, module.forms[i])) {
        ++usage.by_form[i];
        usage.numbers.insert(split.layer);
        usage.any = true;
      }
    }
    for (std::size_t i = 0; i < module.prefixes.size(); ++i) {
      if (!name.starts_with(module.prefixes[i])) continue;
      const std::string_view rest = name.substr(module.prefixes[i].size());
      if (data.embed.role_of(rest).empty() && data.head.role_of(rest).empty() &&
          data.other.role_of(rest).empty()) {
        continue;
      }
      ++usage.by_prefix[i];
      usage.any = true;
    }
    // A root name shows that a module without layers is there ("shared.weight").
    if (module.forms.empty() && !data.embed_root.role_of(name).empty()) usage.any = true;
  }
  return usage;
}

// The spelling that most names use goes first: names are then made with it.
void put_used_first(ModuleState& module, const Usage& usage) {
  if (module.forms.empty()) {
    const auto most = std::max_element(usage.by_prefix.begin(), usage.by_prefix.end());
    if (most != usage.by_prefix.end() && *most > 0) {
      std::swap(module.prefixes.front(),
                module.prefixes[static_cast<std::size_t>(most - usage.by_prefix.begin())]);
    }
    return;
  }
  const auto most = std::max_element(usage.by_form.begin(), usage.by_form.end());
  if (*most == 0) return;
  const auto form = static_cast<std::size_t>(most - usage.by_form.begin());
  const std::size_t prefix = form / module.data->layers.size();
  std::rotate(module.forms.begin(), module.forms.begin() + static_cast<std::ptrdiff_t>(form),
              module.forms.begin() + static_cast<std::ptrdiff_t>(form) + 1);
  std::rotate(module.prefixes.begin(),
              module.prefixes.begin() + static_cast<std::ptrdiff_t>(prefix),
              module.prefixes.begin() + static_cast<std::ptrdiff_t>(prefix) + 1);
}

// Blocks that predict further tokens stand after the counted layers under the same prefix.
std::size_t prediction_blocks(const Json& config, const std::string& root) {
  for (const char* key : {"num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_layers"}) {
    for (const std::string& path : {join_path(root, key), std::string(key)}) {
      if (const auto count = read_count(config, path)) return *count;
    }
  }
  return 0;
}

void set_layers(ModuleState& module, const Json* config, const std::set<std::size_t>& numbers) {
  const ModuleData& data = *module.data;
  const std::size_t named = numbers.empty() ? 0 : *numbers.rbegin() + 1;
  std::optional<std::size_t> counted;
  if (config != nullptr && !data.counts.empty()) {
    for (const std::string& key : data.counts) {
      module.info.layers_key = join_path(module.root, key);
      if ((counted = read_count(*config, module.info.layers_key))) break;
    }
    if (!counted) module.info.layers_key = join_path(module.root, data.counts.front());
  }
  if (!counted) {
    if (named > 0 && numbers.size() * 8 < named) {
      throw Error(
          ErrorKind::mismatch,
          fmt::format("the tensors' names count up to layer {}, but only {} layers are there",
                      named - 1, numbers.size()));
    }
    module.info.layers = named;
    return;
  }
  module.info.layers = *counted;
  if (named == 0 || named == *counted) return;
  if (named > *counted && named <= *counted + prediction_blocks(*config, module.root)) {
    module.extra = named - *counted;
    return;
  }
  throw Error(ErrorKind::mismatch,
              fmt::format("config.json says {} layers ('{}'), the tensors' names ('{}') say {}",
                          *counted, module.info.layers_key, module.forms.front(), named))
      .hint(named < *counted ? "is a shard missing, or the config of another model?"
                             : "is it the config of another model?");
}

bool flag(const Json* config, const TiedRule& rule) {
  if (rule.keys.empty()) return true;
  if (config != nullptr) {
    for (const std::string& key : rule.keys) {
      const Json* value = find_path(*config, key);
      if (value != nullptr && value->is_boolean()) return value->get<bool>();
    }
  }
  return rule.otherwise;
}

void set_tied(const Json* config, std::span<const TensorInfo> tensors, Architecture::Impl& impl) {
  std::set<std::string_view> present;
  for (const TensorInfo& tensor : tensors) present.insert(tensor.name);
  for (const ModuleState& module : impl.modules) {
    for (const TiedRule& rule : module.data->tied) {
      if (!flag(config, rule)) continue;
      TiedPair pair{absolute_name(module, rule.name), absolute_name(module, rule.source)};
      if (!present.empty()) {
        // The head may stand under another of its names ("language_model.lm_head.weight").
        if (!present.contains(pair.name)) {
          const auto found = module.stems.find(impl.place(pair.name).role);
          if (found != module.stems.end()) pair.name = found->second;
        }
        if (!present.contains(pair.source)) {
          if (!present.contains(pair.name)) continue;
          std::swap(pair.name, pair.source);  // the file keeps the other of the two
        }
      }
      if (pair.name != pair.source) impl.tied.push_back(std::move(pair));
    }
  }
}

}  // namespace

bool resolve_family(const Family& family, const Json* config, std::span<const TensorInfo> tensors,
                    Architecture::Impl& impl) {
  std::vector<ModuleState> modules;
  std::vector<Usage> usages;
  bool any_layers = false;
  for (const ModuleData& data : family.modules) {
    modules.push_back(start_module(data, config));
    usages.push_back(count_usage(modules.back(), tensors));
    any_layers |= !usages.back().numbers.empty();
  }
  if (!tensors.empty() && !any_layers && !infer_stacks(tensors).empty()) return false;

  const bool any = std::any_of(usages.begin(), usages.end(), [](const Usage& u) { return u.any; });
  for (std::size_t i = 0; i < modules.size(); ++i) {
    // An encoder alone has no decoder. Without tensors, or with none known, all modules are there.
    if (any && !usages[i].any && modules.size() > 1) continue;
    ModuleState& module = modules[i];
    put_used_first(module, usages[i]);
    module.info.name = module.data->name;
    if (!module.forms.empty()) {
      set_layers(module, config, usages[i].numbers);
      module.info.layer_prefix = module.forms.front();
    }
    impl.modules.push_back(std::move(module));
  }
  impl.family = &family;
  impl.family_name = family.name;
  for (const TensorInfo& tensor : tensors) {
    const TensorPlace place = impl.place(tensor.name);
    ModuleState& module = impl.modules[place.module];
    if (!place.role.empty()) {
      module.stems.emplace(place.role, place.stem);
    } else if (place.place == Place::layer) {
      module.unknown.insert(place.stem);
    }
  }
  set_tied(config, tensors, impl);
  return true;
}

}  // namespace merganser
