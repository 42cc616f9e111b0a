#include "layout/lineage.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json_text.h"
#include "layout/names.h"
#include "layout/output_folder.h"

namespace merganser {
namespace {

constexpr std::uint64_t kMost = 256 << 20;  // bytes of a provenance file
constexpr const char* kAncestors = "ancestors";

std::string key_of(const std::string& line) {
  const auto hasher = Hasher::make(HashKind::sha256);
  hasher->update(std::as_bytes(std::span(line)));
  return hasher->finish();
}

bool is_provenance(const Json& tree) {
  return tree.is_object() && tree.contains("merganser") && tree["merganser"].is_string() &&
         tree.contains("format") && tree["format"] == 1;
}

// Adds the parent, and what it tells of its own; the parent's key.
std::string adopt(Json tree, const std::string& who, Lineage& lineage) {
  if (const auto own = tree.find(kAncestors); own != tree.end()) {
    for (const auto& [key, value] : own->items()) {
      std::string line = json_line(value);
      if (is_provenance(value) && key_of(line) == key) {
        lineage.ancestors.emplace(key, std::move(line));
      } else {
        lineage.notes.push_back(
            fmt::format("provenance of {}: an ancestor does not fit its hash, left out", who));
      }
    }
    tree.erase(kAncestors);
  }
  std::string line = json_line(tree);
  std::string key = key_of(line);
  lineage.ancestors.emplace(key, std::move(line));
  return key;
}

std::string read_parent(const PlanModel& model, Lineage& lineage) {
  if (model.document) return "";
  const std::filesystem::path path = provenance_of(model.path, model.single_file());
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return "";
  const std::string who = model.ref.to_string();
  try {
    Json tree = parse_json(read_text(path, kMost), path.string());
    if (is_provenance(tree)) return adopt(std::move(tree), who, lineage);
    lineage.notes.push_back(
        fmt::format("provenance of {}: not in this program's format, left out", who));
  } catch (const Error& error) {
    lineage.notes.push_back(
        fmt::format("provenance of {}: cannot be read: {}", who, error.message()));
  }
  return "";
}

}  // namespace

Lineage find_lineage(const Plan& plan) {
  Lineage lineage;
  for (const PlanModel& model : plan.models) {
    lineage.of_model.push_back(read_parent(model, lineage));
    if (!model.document || lineage.of_document.contains(model.document.get())) continue;
    Lineage upstream = find_lineage(*model.document);
    lineage.ancestors.merge(upstream.ancestors);
    lineage.of_document.merge(upstream.of_document);
    lineage.of_document[model.document.get()] = std::move(upstream.of_model);
    lineage.notes.insert(lineage.notes.end(), upstream.notes.begin(), upstream.notes.end());
  }
  return lineage;
}

std::string json_line(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace merganser
