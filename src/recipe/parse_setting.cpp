// A parameter's value in all its forms: scalar, gradient, blocks, and cases with filters.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "recipe/parse_parts.h"
#include "recipe/scalar.h"

namespace merganser {
namespace {

using yaml::Node;

constexpr std::array<std::string_view, 4> kPlaces = {"embed", "head", "other", "default"};

class SettingParser {
 public:
  SettingParser(std::string_view name, const std::string& file)
      : what_(fmt::format("parameter {}", yaml::quoted(name))), file_(file) {}

  Setting parse(const Node& node, Mark name_mark) const {
    Setting setting;
    setting.line = name_mark.line;
    setting.column = name_mark.column;
    if (is_conditional_list(node)) {
      for (const yaml::NodePtr& item : node.items) setting.cases.push_back(conditional(*item));
    } else if (node.kind == Node::Kind::mapping && !is_blocks(node)) {
      setting.cases.push_back(conditional(node));
    } else if (node.kind == Node::Kind::null) {
      yaml::fail(file_, name_mark, fmt::format("{} has no value", what_));
    } else {
      setting.cases.push_back(unconditional(node));
    }
    return setting;
  }

 private:
  static bool is_blocks(const Node& node) {
    return node.kind == Node::Kind::mapping &&
           std::any_of(node.entries.begin(), node.entries.end(),
                       [](const yaml::Entry& entry) { return entry.key == "blocks"; });
  }

  bool is_conditional_list(const Node& node) const {
    if (node.kind != Node::Kind::sequence || node.items.empty()) return false;
    const auto is_mapping = [](const yaml::NodePtr& item) {
      return item->kind == Node::Kind::mapping;
    };
    const bool first = is_mapping(node.items[0]);
    for (const yaml::NodePtr& item : node.items) {
      if (is_mapping(item) == first) continue;
      yaml::fail(file_, item->mark,
                 fmt::format("{} mixes plain values and mappings in one list", what_),
                 "write either [0.1, 0.9] or a list of {value: …, filter: …}");
    }
    return first;
  }

  Value scalar(const Node& node) const {
    if (node.kind != Node::Kind::scalar) {
      yaml::fail(file_, node.mark,
                 fmt::format("a value of {} must be a number, a flag or a word, not {}", what_,
                             yaml::describe(node)));
    }
    if (!node.plain) return node.text;
    if (const std::optional<bool> flag = to_flag(node.text)) return *flag;
    if (const std::optional<double> number = to_number(node.text)) {
      if (std::isfinite(*number)) return *number;
      yaml::fail(file_, node.mark,
                 fmt::format("{} must be a finite number, not {}", what_, yaml::quoted(node.text)));
    }
    return node.text;
  }

  SettingCase unconditional(const Node& node) const {
    SettingCase one;
    one.line = node.mark.line;
    one.column = node.mark.column;
    if (node.kind == Node::Kind::sequence) {
      std::vector<Value> list;
      for (const yaml::NodePtr& item : node.items) list.push_back(scalar(*item));
      one.value = std::move(list);
    } else if (node.kind == Node::Kind::mapping) {
      const yaml::Map map(node, what_, {"blocks"}, file_);
      one.value = blocks(map.require("blocks"));
    } else {
      one.value = scalar(node);
    }
    return one;
  }

  SettingCase conditional(const Node& node) const {
    const yaml::Map map(node, what_, {"value", "filter"}, file_);
    SettingCase one = unconditional(map.require("value"));
    if (const Node* filter_node = map.find("filter")) one.filter = filter(*filter_node);
    return one;
  }

  Filter filter(const Node& node) const {
    const Node* pattern = &node;
    Filter::Kind kind = Filter::Kind::substring;
    if (node.kind == Node::Kind::mapping) {
      const yaml::Map map(node, "a filter", {"glob", "regex"}, file_);
      const Node* glob = map.find("glob");
      const Node* regex = map.find("regex");
      if ((glob == nullptr) == (regex == nullptr)) {
        yaml::fail(file_, node.mark, "a filter is either a glob or a regex",
                   "write {glob: \"*.mlp.*\"} or {regex: \"[qk]_proj\"}");
      }
      kind = glob ? Filter::Kind::glob : Filter::Kind::regex;
      pattern = glob ? glob : regex;
    }
    try {
      return Filter::make(kind, yaml::text_of(*pattern, "a filter's pattern", file_));
    } catch (Error& error) {
      throw error.in_file(file_).at(pattern->mark.line, pattern->mark.column);
    }
  }

  BlockWeights blocks(const Node& node) const {
    if (node.kind != Node::Kind::mapping) {
      yaml::fail(
          file_, node.mark,
          fmt::format("'blocks' of {} must be a mapping, not {}", what_, yaml::describe(node)),
          "write {blocks: {0-7: 0.2, 8: 1, embed: 0}}");
    }
    BlockWeights weights;
    std::vector<std::pair<BlockWeights::Range, const yaml::Entry*>> seen;
    for (const yaml::Entry& entry : node.entries) {
      Value value = scalar(*entry.value);
      if (std::find(kPlaces.begin(), kPlaces.end(), entry.key) != kPlaces.end()) {
        weights.places.emplace_back(entry.key, std::move(value));
        continue;
      }
      const auto [first, last] = layers(entry);
      seen.push_back({{first, last, std::move(value)}, &entry});
    }
    check_overlap(seen);
    for (auto& [range, entry] : seen) weights.ranges.push_back(std::move(range));
    return weights;
  }

  // "8-21" or "22".
  std::pair<std::size_t, std::size_t> layers(const yaml::Entry& entry) const {
    const std::string_view key = entry.key;
    const std::size_t dash = key.find('-');
    const auto index = [&](std::string_view text) {
      std::uint32_t value = 0;
      const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (code == std::errc{} && stop == text.data() + text.size()) return std::size_t{value};
      const std::vector<std::string> places(kPlaces.begin(), kPlaces.end());
      const auto near = nearest(key, places);
      yaml::fail(
          file_, entry.mark,
          fmt::format("{} is neither a layer, a range of layers nor a place", yaml::quoted(key)),
          near ? fmt::format("did you mean '{}'?", *near)
               : "write 22, 8-21, embed, head, other or default");
    };
    if (dash == std::string_view::npos) {
      const std::size_t layer = index(key);
      return {layer, layer};
    }
    const std::size_t first = index(key.substr(0, dash)), last = index(key.substr(dash + 1));
    if (first > last) {
      yaml::fail(file_, entry.mark, fmt::format("the range {} is reversed", yaml::quoted(key)),
                 fmt::format("write {}-{}", last, first));
    }
    return {first, last};
  }

  void check_overlap(std::vector<std::pair<BlockWeights::Range, const yaml::Entry*>> ranges) const {
    std::sort(ranges.begin(), ranges.end(),
              [](const auto& a, const auto& b) { return a.first.first < b.first.first; });
    for (std::size_t i = 1; i < ranges.size(); ++i) {
      if (ranges[i].first.first > ranges[i - 1].first.last) continue;
      const yaml::Entry* one = ranges[i - 1].second;
      const yaml::Entry* two = ranges[i].second;
      // The later one in the text is the one to point at.
      if (std::pair(one->mark.line, one->mark.column) > std::pair(two->mark.line, two->mark.column))
        std::swap(one, two);
      yaml::fail(file_, two->mark,
                 fmt::format("the layers {} overlap {} of line {}", yaml::quoted(two->key),
                             yaml::quoted(one->key), one->mark.line),
                 "give each layer one value");
    }
  }

  std::string what_;
  const std::string& file_;
};

}  // namespace

Parameters parse_parameters(const Node& node, const std::string& file) {
  if (node.kind != Node::Kind::mapping) {
    yaml::fail(file, node.mark,
               fmt::format("'parameters' must be a mapping of names to values, not {}",
                           yaml::describe(node)));
  }
  Parameters parameters;
  for (const yaml::Entry& entry : node.entries) {
    parameters[entry.key] = SettingParser(entry.key, file).parse(*entry.value, entry.mark);
  }
  return parameters;
}

}  // namespace merganser
