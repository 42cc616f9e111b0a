// incompatibilities: whether layers of two architectures can stand in one stack.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "architecture/architecture.h"
#include "architecture/architecture_impl.h"
#include "architecture/config_path.h"
#include "base/text.h"

namespace merganser {
namespace {

using Fields = std::vector<std::pair<std::string, std::vector<std::string>>>;

struct Side {
  const ModuleState* module;
  const Family* family;
  const Json& config;

  const Fields& fields() const {
    // An inferred architecture is asked for the usual names.
    static const Fields& usual = []() -> const Fields& {
      for (const Family& candidate : families()) {
        if (candidate.name == "common") return candidate.fields;
      }
      return families().front().fields;
    }();
    return family == nullptr ? usual : family->fields;
  }
  const Json* value(const std::string& label) const {
    for (const auto& [own, keys] : fields()) {
      if (own != label) continue;
      for (const std::string& key : keys) {
        if (const Json* found = find_path(config, join_path(module->root, key))) return found;
      }
    }
    return nullptr;
  }
  // With what an absent field means: as many key/value heads as heads, heads share the hidden size.
  Json meant(const std::string& label) const {
    if (const Json* found = value(label)) return *found;
    if (label == "key/value heads") {
      const Json* heads = value("attention heads");
      return heads == nullptr ? Json() : *heads;
    }
    if (label == "head_dim") {
      const Json* hidden = value("hidden_size");
      const Json* heads = value("attention heads");
      if (hidden == nullptr || heads == nullptr) return {};
      const auto size = whole_number(*hidden), count = whole_number(*heads);
      if (size && count && *count > 0) return *size / *count;
    }
    return {};
  }
  std::string trait(const std::string& key) const {
    if (family == nullptr) return "";
    for (const auto& [own, trait] : family->traits) {
      if (own == key) return trait;
    }
    return "";
  }
};

std::string activation(const Json& name) {
  if (!name.is_string()) return show(name);
  const std::string& text = name.get_ref<const std::string&>();
  if (text == "gelu_new" || text == "gelu_fast" || text == "gelu_pytorch_tanh") return "tanh gelu";
  if (text == "swish") return "silu";
  return text;
}

bool equal(const std::string& label, const Json& a, const Json& b) {
  if (label == "activation") return activation(a) == activation(b);
  if (a.is_number() && b.is_number()) return a.get<double>() == b.get<double>();
  return a == b;
}

// Roles of a layer, expert numbers as one: how many experts there are is a field of the config.
std::set<std::string> layer_roles(const ModuleState& module) {
  std::set<std::string> roles;
  for (const auto& [role, stem] : module.stems) {
    if (stem.find("{}") == std::string::npos) continue;
    std::string out;
    for (const std::string_view part : split(role, '.')) {
      if (!out.empty()) out += '.';
      const bool number = !part.empty() && part.find_first_not_of("0123456789") == part.npos;
      out += number ? "*" : std::string(part);
    }
    roles.insert(std::move(out));
  }
  return roles;
}

std::set<std::string> unknown_stems(const ModuleState& module) {
  std::set<std::string> stems;
  for (const std::string& stem : module.unknown) {
    const std::size_t brace = stem.find("{}");
    stems.insert(brace == std::string::npos ? stem : stem.substr(brace));
  }
  return stems;
}

std::string some_of(const std::set<std::string>& items) {
  std::vector<std::string> few(items.begin(), items.end());
  const std::size_t more = few.size() > 4 ? few.size() - 4 : 0;
  few.resize(few.size() - more);
  return join(few, ", ") + (more > 0 ? fmt::format(" and {} more", more) : "");
}

std::set<std::string> without(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::set<std::string> out;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::inserter(out, out.end()));
  return out;
}

}  // namespace

std::vector<std::string> Architecture::incompatibilities(const Json& config,
                                                         const Architecture& other,
                                                         const Json& other_config) const {
  std::vector<std::string> out;
  const ModuleState* mine = impl_->layered();
  const ModuleState* theirs = other.impl_->layered();
  if (mine == nullptr || theirs == nullptr) {
    out.push_back(fmt::format("{} has no layers", mine == nullptr ? "the one here" : "the other"));
    return out;
  }
  const Side here{mine, impl_->family, config};
  const Side there{theirs, other.impl_->family, other_config};

  std::set<std::string> asked;
  for (const Side* side : {&here, &there}) {
    for (const auto& [label, keys] : side->fields()) {
      if (!asked.insert(label).second) continue;
      const Json a = here.meant(label), b = there.meant(label);
      if (a.is_null() || b.is_null() || equal(label, a, b)) continue;
      out.push_back(fmt::format("{} {} here, {} there", label, show(a), show(b)));
    }
  }
  if (impl_->family != nullptr) {
    for (const auto& [key, value] : impl_->family->traits) {
      const std::string their_value = there.trait(key);
      if (!their_value.empty() && value != their_value) {
        out.push_back(fmt::format("{}: {} here, {} there", key, value, their_value));
      }
    }
  }
  const std::set<std::string> a = layer_roles(*mine), b = layer_roles(*theirs);
  if (const auto only = without(a, b); !only.empty()) {
    out.push_back(fmt::format("layers here have {}, layers there do not", some_of(only)));
  }
  if (const auto only = without(b, a); !only.empty()) {
    out.push_back(fmt::format("layers there have {}, layers here do not", some_of(only)));
  }
  const std::set<std::string> c = unknown_stems(*mine), d = unknown_stems(*theirs);
  if (c != d) {
    std::set<std::string> differing = without(c, d);
    differing.merge(without(d, c));
    out.push_back(
        fmt::format("what these tensors of a layer are is not known: {}", some_of(differing)));
  }
  return out;
}

}  // namespace merganser
