#include "architecture/architecture.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "architecture/architecture_impl.h"
#include "architecture/config_path.h"
#include "architecture/infer.h"
#include "architecture/resolve.h"

namespace merganser {
namespace {

// Roles whose rows are tokens, in every family.
bool is_vocabulary(std::string_view role) {
  return role == "embed.tokens.weight" || role == "head.weight" || role == "head.bias";
}

// "a." + "x.gamma" for the alias pair (.gamma, .weight): the same name with the other ending.
void other_ending(const std::string& name, const std::string& from, const std::string& to,
                  std::vector<std::string>& out) {
  if (!name.ends_with(from)) return;
  const std::size_t kept = name.size() - from.size();
  // A pair that does not begin with a dot must match whole components.
  if (kept > 0 && from[0] != '.' && name[kept - 1] != '.') return;
  out.push_back(name.substr(0, kept) + to);
}

void other_stem(std::string_view stem, const std::string& from, const std::string& to,
                std::vector<std::string>& out) {
  if (stem.starts_with(from) && stem.size() > from.size() && stem[from.size()] == '.') {
    out.push_back(to + std::string(stem.substr(from.size())));
  }
}

std::vector<std::string> class_names(const Json* config) {
  std::vector<std::string> names;
  const Json* entry = config == nullptr ? nullptr : find_path(*config, "architectures");
  if (entry == nullptr) return names;
  if (entry->is_string()) names.push_back(entry->get<std::string>());
  if (!entry->is_array()) return names;
  for (const Json& name : *entry) {
    if (name.is_string()) names.push_back(name.get<std::string>());
    if (names.size() == 8) break;
  }
  return names;
}

const Family* choose_family(const Json* config, const std::vector<std::string>& names,
                            std::string_view override_name) {
  if (!override_name.empty()) {
    const Family* family = family_of_class(override_name);
    return family != nullptr ? family : find_family(override_name);
  }
  for (const std::string& name : names) {
    if (const Family* family = family_of_class(name)) return family;
  }
  const Json* type = config == nullptr ? nullptr : find_path(*config, "model_type");
  if (type == nullptr || !type->is_string()) return nullptr;
  return family_of_model_type(type->get_ref<const std::string&>());
}

}  // namespace

std::string_view to_string(Place place) {
  switch (place) {
    case Place::embed:
      return "embed";
    case Place::layer:
      return "layer";
    case Place::head:
      return "head";
    case Place::other:
      return "other";
  }
  return "other";
}

std::string TensorPlace::name_at(std::size_t number) const {
  const std::size_t brace = layer ? stem.find("{}") : std::string::npos;
  if (brace == std::string::npos) return stem;
  return fmt::format("{}{}{}", stem.substr(0, brace), number, stem.substr(brace + 2));
}

std::string absolute_name(const ModuleState& module, std::string_view name) {
  if (name.starts_with('/')) return std::string(name.substr(1));
  return fmt::format("{}{}", module.prefixes.empty() ? "" : module.prefixes.front(), name);
}

const ModuleState* Architecture::Impl::layered() const {
  const auto found = std::find_if(modules.begin(), modules.end(),
                                  [](const ModuleState& module) { return !module.forms.empty(); });
  return found == modules.end() ? nullptr : &*found;
}

TensorPlace Architecture::Impl::place(std::string_view name) const {
  TensorPlace out;
  out.stem = name;
  for (std::size_t m = 0; m < modules.size(); ++m) {
    const ModuleState& module = modules[m];
    for (const std::string& form : module.forms) {
      const LayerSplit split = split_layer(name, form);
      if (!split) continue;
      out.module = m;
      if (split.layer >= module.info.layers && split.layer < module.info.layers + module.extra) {
        return out;  // a block beside the layers; its number is part of its name
      }
      out.place = Place::layer;
      out.layer = split.layer;
      out.stem = form + std::string(split.rest);
      if (module.data != nullptr) out.role = module.data->roles.role_of(split.rest);
      return out;
    }
  }
  const auto outside = [&](const RoleTable& table, std::string_view stem, Place place) {
    out.role = table.role_of(stem);
    if (!out.role.empty()) out.place = place;
    return !out.role.empty();
  };
  for (std::size_t m = 0; m < modules.size(); ++m) {
    const ModuleData* data = modules[m].data;
    if (data == nullptr) continue;
    bool found = outside(data->head_root, name, Place::head) ||
                 outside(data->embed_root, name, Place::embed) ||
                 outside(data->other_root, name, Place::other);
    for (const std::string& prefix : modules[m].prefixes) {
      if (found) break;
      if (!name.starts_with(prefix)) continue;
      const std::string_view stem = name.substr(prefix.size());
      found = outside(data->embed, stem, Place::embed) || outside(data->head, stem, Place::head) ||
              outside(data->other, stem, Place::other);
    }
    if (!found) continue;
    out.module = m;
    out.vocabulary = is_vocabulary(out.role);
    return out;
  }
  // Nothing lists the name: the words in it decide, and the module whose prefix it begins with.
  out.place = guess_place(name);
  out.module = loose_module;
  std::size_t longest = 0;
  for (std::size_t m = 0; m < modules.size(); ++m) {
    for (const std::string& prefix : modules[m].prefixes) {
      if (prefix.size() > longest && name.starts_with(prefix)) {
        longest = prefix.size();
        out.module = m;
      }
    }
  }
  out.vocabulary = vocabulary.contains(std::string(name));
  return out;
}

Architecture Architecture::resolve(const Json* config, std::span<const TensorInfo> tensors,
                                   std::string_view override_name) {
  if (config != nullptr && !config->is_object()) config = nullptr;
  const std::vector<std::string> names = class_names(config);
  auto impl = std::make_shared<Impl>();
  impl->architecture = !override_name.empty() ? std::string(override_name)
                       : names.empty()        ? ""
                                              : names.front();
  const Family* family = choose_family(config, names, override_name);
  if (family == nullptr || !resolve_family(*family, config, tensors, *impl)) {
    resolve_by_names(config, tensors, *impl);
  }
  for (const ModuleState& module : impl->modules) impl->infos.push_back(module.info);
  Architecture out;
  out.impl_ = std::move(impl);
  return out;
}

const std::string& Architecture::family() const { return impl_->family_name; }
const std::string& Architecture::architecture() const { return impl_->architecture; }
bool Architecture::inferred() const { return impl_->family == nullptr; }
const std::vector<ArchitectureModule>& Architecture::modules() const { return impl_->infos; }
TensorPlace Architecture::place(std::string_view name) const { return impl_->place(name); }
const std::vector<TiedPair>& Architecture::tied() const { return impl_->tied; }

std::vector<std::string> Architecture::aliases(std::string_view name) const {
  std::vector<std::string> out;
  if (impl_->family == nullptr) return out;
  const std::string own(name);
  std::vector<std::string> spellings{own};
  const TensorPlace place = impl_->place(name);
  const ModuleState& module = impl_->modules[place.module];
  if (place.layer) {
    for (const std::string& form : module.forms) {
      const LayerSplit split = split_layer(name, form);
      if (!split) continue;
      std::vector<std::string> stems{std::string(split.rest)};
      for (const auto& [a, b] : module.data->layer_aliases) {
        other_stem(split.rest, a, b, stems);
        other_stem(split.rest, b, a, stems);
      }
      for (const std::string& other : module.forms) {
        const std::size_t brace = other.find("{}");
        for (const std::string& stem : stems) {
          spellings.push_back(fmt::format("{}{}{}{}", other.substr(0, brace), split.layer,
                                          other.substr(brace + 2), stem));
        }
      }
      break;
    }
  } else if (!place.role.empty()) {
    for (const std::string& prefix : module.prefixes) {
      if (!name.starts_with(prefix)) continue;
      const std::string_view stem = name.substr(prefix.size());
      if (module.data->embed.role_of(stem) != place.role &&
          module.data->head.role_of(stem) != place.role &&
          module.data->other.role_of(stem) != place.role) {
        continue;
      }
      for (const std::string& other : module.prefixes)
        spellings.push_back(other + std::string(stem));
      break;
    }
    // The same head from the root under several names: "lm_head.weight" of old and new files.
    for (const RoleTable* table : {&module.data->head_root, &module.data->embed_root}) {
      if (table->role_of(name) != place.role) continue;
      const std::size_t dot = own.rfind('.');
      const std::string leaf = dot == std::string::npos ? "" : own.substr(dot);
      for (const auto& [stem, role] : table->in_order) {
        if (role == place.role) spellings.push_back(stem);
        if (role + leaf == place.role) spellings.push_back(stem + leaf);
      }
    }
  }
  for (std::size_t i = 0, n = spellings.size(); i < n; ++i) {
    for (const auto& [a, b] : impl_->family->aliases) {
      const std::string spelling = spellings[i];
      other_ending(spelling, a, b, spellings);
      other_ending(spelling, b, a, spellings);
    }
  }
  for (std::string& spelling : spellings) {
    if (spelling != own && std::find(out.begin(), out.end(), spelling) == out.end()) {
      out.push_back(std::move(spelling));
    }
  }
  return out;
}

std::optional<std::string> Architecture::name_for_role(std::string_view role,
                                                       std::size_t layer) const {
  if (role.empty()) return std::nullopt;
  const auto at = [layer](const std::string& stem) {
    const std::size_t brace = stem.find("{}");
    if (brace == std::string::npos) return stem;
    return fmt::format("{}{}{}", stem.substr(0, brace), layer, stem.substr(brace + 2));
  };
  // What this checkpoint calls it goes before what the family could call it.
  for (const ModuleState& module : impl_->modules) {
    const auto found = module.stems.find(std::string(role));
    if (found != module.stems.end()) return at(found->second);
  }
  for (const ModuleState& module : impl_->modules) {
    if (module.data == nullptr) continue;
    const std::string inside = module.data->roles.stem_of(role);
    if (!inside.empty() && !module.forms.empty()) return at(module.forms.front() + inside);
    for (const RoleTable* table : {&module.data->embed, &module.data->head, &module.data->other}) {
      const std::string stem = table->stem_of(role);
      if (!stem.empty()) return absolute_name(module, stem);
    }
    for (const RoleTable* table :
         {&module.data->embed_root, &module.data->head_root, &module.data->other_root}) {
      const std::string stem = table->stem_of(role);
      if (!stem.empty()) return stem;
    }
  }
  return std::nullopt;
}

}  // namespace merganser
