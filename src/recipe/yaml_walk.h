// Checked access to a YAML tree: every refusal says what, where and what was expected.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "recipe/yaml_tree.h"

namespace merganser::yaml {

[[noreturn]] void fail(const std::string& file, Mark mark, std::string message,
                       std::string_view hint = {});

// In quotes, cut short where it is long.
std::string quoted(std::string_view text);
// What a node is, for "…, not {}": "a list", "'abc'", "nothing".
std::string describe(const Node& node);

// A mapping whose keys are all known.
class Map {
 public:
  // `what` names the mapping in errors: "a source of a slice".
  Map(const Node& node, std::string_view what, std::initializer_list<std::string_view> known,
      const std::string& file);

  // Absent keys and keys without a value are the same: null.
  const Node* find(std::string_view key) const;
  const Node& require(std::string_view key) const;
  Mark mark_of(std::string_view key) const;  // of the key; the mapping's own if absent
  const Node& node() const { return node_; }
  const std::string& file() const { return file_; }

 private:
  const Node& node_;
  std::string what_;
  const std::string& file_;
};

// `what` names the value in errors: "base_model".
const std::string& text_of(const Node& node, std::string_view what, const std::string& file);
// Finite.
double number_of(const Node& node, std::string_view what, const std::string& file);
std::uint64_t unsigned_of(const Node& node, std::string_view what, const std::string& file);
const std::vector<NodePtr>& items_of(const Node& node, std::string_view what,
                                     const std::string& file);

}  // namespace merganser::yaml
