// A parameter's value as written in a recipe, and its evaluation for one tensor: scalar, gradient
// over the layers, or block weights, each behind an optional filter on the tensor's name.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "method/parameter.h"

namespace merganser {

// Where a tensor stands, as far as settings care.
struct Position {
  std::string_view name;  // MergeKit's rule: input name for per-input parameters, else output name
  double t = 0;           // position of the layer in its slice, 0..1; 0 outside the layers
  std::optional<std::size_t> layer;  // layer index in the output
  std::string_view place;  // "embed", "head" or "other" outside the layers (block weights)
};

struct Filter {
  enum class Kind { substring, glob, regex } kind = Kind::substring;
  std::string pattern;
  std::shared_ptr<const std::regex> compiled;  // regex only

  bool matches(std::string_view name) const;

  // Throws Error(recipe): a broken or overlong pattern.
  static Filter make(Kind kind, std::string pattern);
};

struct BlockWeights {  // {0-7: 0.2, 8-21: 0.8, embed: 0}
  struct Range {
    std::size_t first, last;  // inclusive
    Value value;
  };
  std::vector<Range> ranges;
  std::vector<std::pair<std::string, Value>> places;  // embed, head, other, default
};

struct SettingCase {
  std::optional<Filter> filter;  // none: matches all
  std::variant<Value, std::vector<Value>, BlockWeights> value;
  std::size_t line = 0, column = 0;
};

struct Setting {
  std::vector<SettingCase> cases;
  std::size_t line = 0, column = 0;

  // First case that matches, MergeKit's rules (1.2); none: look at the next level.
  std::optional<Value> evaluate(const Position& position) const;
  // The same for a parameter whose type is known: a list of numbers is interpolated, one of flags
  // or choices stepped, however they are written. Throws Error(recipe) at a value of another type.
  std::optional<Value> evaluate(const Position& position, ParameterType type) const;
  // The case evaluate() takes; null if none matches.
  const SettingCase* match(const Position& position) const;

  static Setting constant(Value value);
};

}  // namespace merganser
