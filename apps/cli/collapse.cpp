#include "collapse.h"

#include <fmt/format.h>

#include <algorithm>

namespace merganser::cli {
namespace {

std::string stem_of(const std::string& name, std::size_t layer) {
  const std::string number = fmt::format(".{}.", layer);
  const std::size_t at = name.find(number);
  if (at != std::string::npos) {
    return name.substr(0, at) + ".{}." + name.substr(at + number.size());
  }
  const std::string first = fmt::format("{}.", layer);
  return name.starts_with(first) ? "{}." + name.substr(first.size()) : name;
}

// "0-3, 5, 7-9"
std::string ranges(std::vector<std::size_t> layers) {
  std::sort(layers.begin(), layers.end());
  std::string text;
  for (std::size_t i = 0; i < layers.size();) {
    std::size_t j = i;
    while (j + 1 < layers.size() && layers[j + 1] == layers[j] + 1) ++j;
    if (!text.empty()) text += ", ";
    text += i == j ? fmt::format("{}", layers[i]) : fmt::format("{}-{}", layers[i], layers[j]);
    i = j + 1;
  }
  return text;
}

}  // namespace

void Collapse::add(std::optional<std::size_t> layer, const std::string& name,
                   std::vector<std::string> cells) {
  Group group{layer ? stem_of(name, *layer) : name, {}, std::move(cells)};
  std::vector<std::string> key = group.cells;
  key.push_back(group.stem);
  const auto [at, added] = index_.emplace(std::move(key), groups_.size());
  if (added) groups_.push_back(std::move(group));
  if (layer) groups_[at->second].layers.push_back(*layer);
}

std::vector<Collapse::Row> Collapse::rows() const {
  std::vector<Row> rows;
  for (const Group& group : groups_) {
    rows.push_back({group.stem, ranges(group.layers), group.cells});
  }
  return rows;
}

}  // namespace merganser::cli
