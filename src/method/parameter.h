// What a merge method declares about its parameters; help, docs and validation derive from it.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace merganser {

// One setting after its gradient, filters and precedence are resolved.
using Value = std::variant<double, bool, std::string>;

enum class ParameterType { number, flag, choice };

// shared: one value for an output tensor. per_input: one for each model; `weight` of linear also
// for the base, others only for the models that are merged into it.
enum class ParameterScope { shared, per_input };

struct Parameter {
  std::string_view name;
  std::string_view summary;  // one sentence
  ParameterType type = ParameterType::number;
  ParameterScope scope = ParameterScope::shared;
  std::optional<Value> fallback;  // none: required
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool integer = false;
  std::vector<std::string_view> choices = {};
  // Must be the same for every tensor (an option that changes how passes are made).
  bool constant = false;
  // May be left out although it has no fallback (passthrough's scale).
  bool optional = false;
};

std::string to_string(const Value& value);

}  // namespace merganser
