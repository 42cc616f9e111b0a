#include "recipe/yaml_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "recipe/scalar.h"

namespace merganser::yaml {

void fail(const std::string& file, Mark mark, std::string message, std::string_view hint) {
  throw Error(ErrorKind::recipe, std::move(message))
      .in_file(file)
      .at(mark.line, mark.column)
      .hint(hint);
}

std::string quoted(std::string_view text) {
  static constexpr std::size_t kShown = 80;
  if (text.size() <= kShown) return fmt::format("'{}'", text);
  std::size_t end = kShown;  // never in the middle of a UTF-8 character
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return fmt::format("'{}…'", text.substr(0, end));
}

std::string describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "nothing";
    case Node::Kind::scalar:
      return yaml::quoted(node.text);
    case Node::Kind::sequence:
      return "a list";
    case Node::Kind::mapping:
      return "a mapping";
  }
  return "something else";
}

Map::Map(const Node& node, std::string_view what, std::initializer_list<std::string_view> known,
         const std::string& file)
    : node_(node), what_(what), file_(file) {
  if (node.kind != Node::Kind::mapping) {
    const std::vector<std::string> names(known.begin(), known.end());
    fail(file, node.mark,
         fmt::format("{} must be a mapping ({}), not {}", what, join(names, ", "), describe(node)));
  }
  for (const Entry& entry : node.entries) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
    const std::vector<std::string> names(known.begin(), known.end());
    fail(file, entry.mark, fmt::format("unknown key {} in {}", yaml::quoted(entry.key), what),
         suggestion(entry.key, names));
  }
}

const Node* Map::find(std::string_view key) const {
  for (const Entry& entry : node_.entries) {
    if (entry.key == key) return entry.value->kind == Node::Kind::null ? nullptr : &*entry.value;
  }
  return nullptr;
}

const Node& Map::require(std::string_view key) const {
  if (const Node* node = find(key)) return *node;
  const bool empty = std::any_of(node_.entries.begin(), node_.entries.end(),
                                 [&](const Entry& entry) { return entry.key == key; });
  fail(file_, mark_of(key),
       empty ? fmt::format("'{}' in {} has no value", key, what_)
             : fmt::format("{} needs '{}'", what_, key));
}

Mark Map::mark_of(std::string_view key) const {
  for (const Entry& entry : node_.entries) {
    if (entry.key == key) return entry.mark;
  }
  return node_.mark;
}

const std::string& text_of(const Node& node, std::string_view what, const std::string& file) {
  if (node.kind != Node::Kind::scalar) {
    fail(file, node.mark, fmt::format("{} must be text, not {}", what, describe(node)));
  }
  return node.text;
}

double number_of(const Node& node, std::string_view what, const std::string& file) {
  const auto value =
      node.kind == Node::Kind::scalar ? to_number(node.text) : std::optional<double>{};
  if (value && std::isfinite(*value)) return *value;
  fail(file, node.mark, fmt::format("{} must be a number, not {}", what, describe(node)));
}

std::uint64_t unsigned_of(const Node& node, std::string_view what, const std::string& file) {
  std::uint64_t value = 0;
  if (node.kind == Node::Kind::scalar) {
    const char* end = node.text.data() + node.text.size();
    const auto [stop, code] = std::from_chars(node.text.data(), end, value);
    if (code == std::errc{} && stop == end) return value;
  }
  fail(file, node.mark,
       fmt::format("{} must be a whole number from 0 to 2^64-1, not {}", what, describe(node)));
}

const std::vector<NodePtr>& items_of(const Node& node, std::string_view what,
                                     const std::string& file) {
  if (node.kind != Node::Kind::sequence) {
    fail(file, node.mark, fmt::format("{} must be a list, not {}", what, describe(node)));
  }
  return node.items;
}

}  // namespace merganser::yaml
