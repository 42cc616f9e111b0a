#include "recipe/check_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "recipe/scalar.h"
#include "recipe/yaml_walk.h"

namespace merganser {
namespace {

std::string_view expected(const Parameter& parameter) {
  switch (parameter.type) {
    case ParameterType::number:
      return parameter.integer ? "a whole number" : "a number";
    case ParameterType::flag:
      return "true or false";
    case ParameterType::choice:
      return "a word";
  }
  return "something else";
}

std::string range_of(const Parameter& parameter) {
  const bool low = std::isfinite(parameter.low), high = std::isfinite(parameter.high);
  if (low && high) return fmt::format("between {} and {}", parameter.low, parameter.high);
  return low ? fmt::format("at least {}", parameter.low)
             : fmt::format("at most {}", parameter.high);
}

std::string shown(const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text ? yaml::quoted(*text) : to_string(value);
}

}  // namespace

Value check_value(const Parameter& parameter, const Value& value, Mark mark,
                  const std::string& file) {
  const std::optional<Value> typed = as_type(value, parameter.type);
  if (!typed) {
    yaml::fail(
        file, mark,
        fmt::format("'{}' must be {}, not {}", parameter.name, expected(parameter), shown(value)),
        parameter.type == ParameterType::choice ? "put the word in quotes" : "");
  }
  if (const auto* number = std::get_if<double>(&*typed)) {
    if (!(*number >= parameter.low && *number <= parameter.high)) {
      yaml::fail(
          file, mark,
          fmt::format("'{}' must be {}, not {}", parameter.name, range_of(parameter), *number));
    }
    if (parameter.integer && std::floor(*number) != *number) {
      yaml::fail(file, mark,
                 fmt::format("'{}' must be a whole number, not {}", parameter.name, *number));
    }
  }
  if (const auto* word = std::get_if<std::string>(&*typed)) {
    const auto& choices = parameter.choices;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), *word) == choices.end()) {
      const std::vector<std::string> names(choices.begin(), choices.end());
      yaml::fail(file, mark,
                 fmt::format("'{}' has no choice {}", parameter.name, yaml::quoted(*word)),
                 suggestion(*word, names));
    }
  }
  return *typed;
}

void check_setting(const Parameter& parameter, const Setting& setting, const std::string& file) {
  if (parameter.constant) {
    const bool plain = setting.cases.size() == 1 && !setting.cases[0].filter &&
                       std::holds_alternative<Value>(setting.cases[0].value);
    if (!plain) {
      yaml::fail(file, {setting.line, setting.column},
                 fmt::format("'{}' must be the same for every tensor: one plain value, without "
                             "list, filter or blocks",
                             parameter.name));
    }
  }
  for (const SettingCase& one : setting.cases) {
    const Mark mark{one.line, one.column};
    const auto check = [&](const Value& value) { check_value(parameter, value, mark, file); };
    if (const auto* value = std::get_if<Value>(&one.value)) check(*value);
    if (const auto* list = std::get_if<std::vector<Value>>(&one.value)) {
      for (const Value& value : *list) check(value);
    }
    if (const auto* blocks = std::get_if<BlockWeights>(&one.value)) {
      for (const BlockWeights::Range& range : blocks->ranges) check(range.value);
      for (const auto& [place, value] : blocks->places) check(value);
    }
  }
}

}  // namespace merganser
