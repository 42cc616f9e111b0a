#include "architecture/family_data.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "architecture/family_texts.h"
#include "base/json.h"
#include "base/text.h"

namespace merganser {
namespace {

// A broken family file is our own bug, found by the first test that runs: logic_error, not Error.
[[noreturn]] void broken(std::string_view family, std::string_view why) {
  throw std::logic_error(fmt::format("architecture family '{}': {}", family, why));
}

// No real name is longer; a hostile one is not taken apart.
constexpr std::size_t longest_stem = 2048;

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "experts.3.w1" -> "experts.*.w1"; the numbers are appended to `numbers`.
std::string starred(std::string_view text, std::vector<std::string>* numbers) {
  std::string out;
  for (const std::string_view part : split(text, '.')) {
    if (!out.empty()) out += '.';
    if (is_number(part)) {
      out += '*';
      if (numbers != nullptr) numbers->emplace_back(part);
    } else {
      out += part;
    }
  }
  return out;
}

std::string unstarred(std::string_view pattern, const std::vector<std::string>& numbers) {
  std::string out;
  std::size_t used = 0;
  for (const char c : pattern) {
    if (c == '*' && used < numbers.size()) {
      out += numbers[used++];
    } else {
      out += c;
    }
  }
  return out;
}

// Families by name with every "like" applied: a family is its basis with a merge patch (RFC 7396).
class Expander {
 public:
  Expander() {
    for (const EmbeddedText& file : family_texts()) {
      const std::string_view family = file.name.substr(0, file.name.find('.'));
      Json json = Json::parse(file.text, nullptr, false);
      if (json.is_discarded() || !json.is_object()) broken(family, "not a JSON object");
      raw_.emplace(family, std::move(json));
    }
  }

  Json expand(const std::string& name, int depth = 0) const {
    const auto found = raw_.find(name);
    if (found == raw_.end()) broken(name, "named by 'like' but absent");
    if (depth > 10) broken(name, "'like' runs in a circle");
    const Json& own = found->second;
    Json out = Json::object();
    if (own.contains("like")) out = expand(own["like"].get<std::string>(), depth + 1);
    out.erase("abstract");
    out.erase("like");
    Json patch = own;
    patch.erase("modules");
    out.merge_patch(patch);
    if (!own.contains("modules")) return out;
    Json& modules = out["modules"];
    if (modules.is_null()) modules = Json::object();
    for (const auto& [key, module] : own["modules"].items()) {
      if (module.is_null()) {
        modules.erase(key);
        continue;
      }
      Json basis = modules.contains(key) ? modules[key] : Json::object();
      if (module.contains("like")) {
        basis = expand(module["like"].get<std::string>(), depth + 1)["modules"].front();
      }
      basis.merge_patch(module);
      modules[key] = std::move(basis);
    }
    return out;
  }

  const std::map<std::string, Json, std::less<>>& raw() const { return raw_; }

 private:
  std::map<std::string, Json, std::less<>> raw_;
};

std::vector<std::string> strings(const Json& object, const char* key) {
  return object.contains(key) ? object[key].get<std::vector<std::string>>()
                              : std::vector<std::string>();
}

std::vector<NamePair> pairs(const Json& object, const char* key) {
  return object.contains(key) ? object[key].get<std::vector<NamePair>>() : std::vector<NamePair>();
}

void add(RoleTable& table, std::string stem, std::string role) {
  table.by_stem.emplace(stem, role);
  table.in_order.emplace_back(std::move(stem), std::move(role));
}

// Splits a table of outside names into those under the prefix and those from the root ('/').
void read_outside(const Json& module, const char* key, RoleTable& under, RoleTable& from_root) {
  if (!module.contains(key)) return;
  for (const auto& [stem, role] : module[key].items()) {
    if (stem.starts_with('/')) {
      add(from_root, stem.substr(1), role.get<std::string>());
    } else {
      add(under, stem, role.get<std::string>());
    }
  }
}

ModuleData read_module(const std::string& name, const Json& json) {
  ModuleData module;
  module.name = name;
  module.config_roots = strings(json, "config");
  if (module.config_roots.empty()) module.config_roots.emplace_back();
  module.prefixes = strings(json, "prefixes");
  module.layers = strings(json, "layers");
  module.counts = strings(json, "counts");
  module.lists = strings(json, "lists");
  module.indices = strings(json, "indices");
  module.whole = strings(json, "whole");
  module.by_position = strings(json, "by_position");
  module.first_layer_only = strings(json, "first_layer_only");
  module.layer_aliases = pairs(json, "layer_aliases");
  if (json.contains("roles")) {
    for (const auto& [stem, role] : json["roles"].items()) {
      add(module.roles, stem, role.get<std::string>());
    }
  }
  read_outside(json, "embed", module.embed, module.embed_root);
  read_outside(json, "head", module.head, module.head_root);
  read_outside(json, "other", module.other, module.other_root);
  if (json.contains("tied")) {
    for (const Json& rule : json["tied"]) {
      module.tied.push_back({rule.at("name").get<std::string>(),
                             rule.at("source").get<std::string>(), strings(rule, "keys"),
                             rule.value("default", true)});
    }
  }
  return module;
}

Family read_family(const std::string& file, const Json& json) {
  Family family;
  family.name = json.at("family").get<std::string>();
  if (family.name != file) broken(file, "its 'family' differs from the file's name");
  family.abstract = json.value("abstract", false);
  family.architectures = strings(json, "architectures");
  family.model_types = strings(json, "model_types");
  family.aliases = pairs(json, "aliases");
  if (json.contains("traits")) {
    for (const auto& [key, value] : json["traits"].items()) {
      family.traits.emplace_back(key, value.get<std::string>());
    }
  }
  if (json.contains("fields")) {
    for (const auto& [label, keys] : json["fields"].items()) {
      family.fields.emplace_back(label, keys.get<std::vector<std::string>>());
    }
  }
  if (json.contains("modules")) {
    for (const auto& [name, module] : json["modules"].items()) {
      family.modules.push_back(read_module(name, module));
    }
  }
  return family;
}

std::vector<Family> read_all() {
  const Expander expander;
  std::vector<Family> all;
  for (const auto& [file, json] : expander.raw()) {
    try {
      all.push_back(read_family(file, expander.expand(file)));
    } catch (const Json::exception& error) {
      broken(file, error.what());
    }
  }
  return all;
}

}  // namespace

std::string RoleTable::role_of(std::string_view stem) const {
  if (stem.size() > longest_stem) return "";
  const auto look_up = [this](std::string_view text) -> std::string {
    if (const auto found = by_stem.find(std::string(text)); found != by_stem.end()) {
      return found->second;
    }
    std::vector<std::string> numbers;
    const std::string pattern = starred(text, &numbers);
    if (numbers.empty()) return "";
    const auto found = by_stem.find(pattern);
    return found == by_stem.end() ? "" : unstarred(found->second, numbers);
  };
  if (std::string role = look_up(stem); !role.empty()) return role;
  const std::size_t dot = stem.rfind('.');
  if (dot == std::string_view::npos) return "";
  std::string_view leaf = stem.substr(dot + 1);
  if (leaf == "gamma") leaf = "weight";
  if (leaf == "beta") leaf = "bias";
  if (leaf != "weight" && leaf != "bias") return "";
  const std::string role = look_up(stem.substr(0, dot));
  return role.empty() ? "" : fmt::format("{}.{}", role, leaf);
}

std::string RoleTable::stem_of(std::string_view role) const {
  if (role.size() > longest_stem) return "";
  std::vector<std::string> numbers;
  const std::string pattern = starred(role, &numbers);
  for (const auto& [stem, known] : in_order) {
    if (known == pattern) return unstarred(stem, numbers);
  }
  const std::size_t dot = pattern.rfind('.');
  if (dot == std::string::npos) return "";
  const std::string_view leaf = std::string_view(pattern).substr(dot + 1);
  if (leaf != "weight" && leaf != "bias") return "";
  const std::string_view rest = std::string_view(pattern).substr(0, dot);
  for (const auto& [stem, known] : in_order) {
    if (known == rest) return fmt::format("{}.{}", unstarred(stem, numbers), leaf);
  }
  return "";
}

const std::vector<Family>& families() {
  static const std::vector<Family> all = read_all();
  return all;
}

const Family* find_family(std::string_view name) {
  for (const Family& family : families()) {
    if (family.name == name && !family.abstract) return &family;
  }
  return nullptr;
}

const Family* family_of_class(std::string_view architecture) {
  // A family that names the class itself goes before one that names it by a glob.
  const Family* by_glob = nullptr;
  for (const Family& family : families()) {
    if (family.abstract) continue;
    for (const std::string& pattern : family.architectures) {
      if (pattern == architecture) return &family;
      if (by_glob == nullptr && glob_match(pattern, architecture)) by_glob = &family;
    }
  }
  return by_glob;
}

const Family* family_of_model_type(std::string_view model_type) {
  for (const Family& family : families()) {
    if (family.abstract) continue;
    for (const std::string& known : family.model_types) {
      if (known == model_type) return &family;
    }
  }
  return nullptr;
}

std::vector<std::string> known_families() {
  std::vector<std::string> names;
  for (const Family& family : families()) {
    if (!family.abstract) names.push_back(family.name);
  }
  return names;
}

}  // namespace merganser
