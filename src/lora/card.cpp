#include "lora/card.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/json.h"
#include "base/text.h"

namespace merganser {
namespace {

// In JSON's quotes, which YAML reads.
std::string yaml(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// One line without mark-up of its own.
std::string markdown(std::string_view text) {
  std::string result;
  for (const char c : printable(text)) {
    if (std::string_view("|\\`*_<>[]#").find(c) != std::string_view::npos) result += '\\';
    result += c;
  }
  return result;
}

struct Group {
  std::size_t modules = 0, least = 0, most = 0;
  double worst = 0;
};

}  // namespace

std::string shown_name(const std::string& path) {
  std::filesystem::path place = std::filesystem::path(path).lexically_normal();
  if (!place.has_filename()) place = place.parent_path();
  return place.filename().string();
}

std::string card_text(const AdapterCard& card) {
  std::string text = fmt::format(
      "---\nbase_model: {}\nlibrary_name: peft\ntags:\n- lora\n- merganser\n---\n# {}\n\n{}\n",
      yaml(shown_name(card.base)), markdown(card.title), card.sentence);
  if (!card.facts.empty()) text += "\n";
  for (const auto& [name, value] : card.facts) {
    text += fmt::format("- {}: {}\n", name, markdown(value));
  }
  std::map<std::string, Group> groups;
  for (const TermStore::Entry& entry : card.store->entries()) {
    if (entry.rank == 0) continue;
    const std::string& name = entry.module.name;
    Group& group = groups[name.substr(name.rfind('.') + 1)];
    group.least = group.modules == 0 ? entry.rank : std::min(group.least, entry.rank);
    group.most = std::max(group.most, entry.rank);
    if (!entry.s.empty()) {
      group.worst = std::max(group.worst, residual(entry.s, entry.rank, entry.energy));
    }
    ++group.modules;
  }
  text += "\n| module | number | rank | left out of its change, at most |\n|---|---|---|---|\n";
  for (const auto& [name, group] : groups) {
    const std::string ranks = group.least == group.most
                                  ? std::to_string(group.most)
                                  : fmt::format("{}–{}", group.least, group.most);
    text += fmt::format("| {} | {} | {} | {:.1f} % |\n", markdown(name), group.modules, ranks,
                        100 * group.worst);
  }
  return text + fmt::format(
                    "\nMade by merganser {}; merganser_provenance.json has every module and the "
                    "hashes of what was read and written.\n",
                    card.version);
}

}  // namespace merganser
