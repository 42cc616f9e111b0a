#include "recipe/setting.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "recipe/scalar.h"

namespace merganser {
namespace {

// MergeKit's: s = t(n-1), i = int(s), f = s-i, (1-f) v[i] + f v[min(i+1, n-1)].
double interpolate(const std::vector<double>& values, double t) {
  const std::size_t last = values.size() - 1;
  const double s = std::clamp(t, 0.0, 1.0) * static_cast<double>(last);
  const auto i = static_cast<std::size_t>(s);
  const double f = s - static_cast<double>(i);
  return (1 - f) * values[i] + f * values[std::min(i + 1, last)];
}

const Value& step(const std::vector<Value>& values, double t) {
  const double s = std::clamp(t, 0.0, 1.0) * static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(s)];
}

const Value* find(const BlockWeights& blocks, const Position& position) {
  if (position.layer) {
    for (const BlockWeights::Range& range : blocks.ranges) {
      if (range.first <= *position.layer && *position.layer <= range.last) return &range.value;
    }
  }
  const Value* otherwise = nullptr;
  for (const auto& [place, value] : blocks.places) {
    if (!position.layer && place == position.place) return &value;
    if (place == "default") otherwise = &value;
  }
  return otherwise;
}

std::vector<double> numbers(const std::vector<Value>& values, const SettingCase& from) {
  std::vector<double> converted;
  converted.reserve(values.size());
  for (const Value& value : values) {
    const std::optional<Value> number = as_type(value, ParameterType::number);
    if (!number) {
      throw Error(ErrorKind::recipe, fmt::format("'{}' is not a number", to_string(value)))
          .at(from.line, from.column);
    }
    converted.push_back(std::get<double>(*number));
  }
  return converted;
}

std::optional<Value> value_at(const SettingCase& from, const Position& position,
                              bool interpolated) {
  if (const auto* scalar = std::get_if<Value>(&from.value)) return *scalar;
  if (const auto* blocks = std::get_if<BlockWeights>(&from.value)) {
    const Value* found = find(*blocks, position);
    return found ? std::optional(*found) : std::nullopt;
  }
  const auto& list = std::get<std::vector<Value>>(from.value);
  if (list.empty()) return std::nullopt;
  if (interpolated) return interpolate(numbers(list, from), position.t);
  return step(list, position.t);
}

}  // namespace

const SettingCase* Setting::match(const Position& position) const {
  for (const SettingCase& one : cases) {
    if (!one.filter || one.filter->matches(position.name)) return &one;
  }
  return nullptr;
}

std::optional<Value> Setting::evaluate(const Position& position) const {
  const SettingCase* from = match(position);
  if (!from) return std::nullopt;
  const auto* list = std::get_if<std::vector<Value>>(&from->value);
  const bool all_numbers = list && std::all_of(list->begin(), list->end(), [](const Value& v) {
                             return std::holds_alternative<double>(v);
                           });
  return value_at(*from, position, all_numbers);
}

std::optional<Value> Setting::evaluate(const Position& position, ParameterType type) const {
  const SettingCase* from = match(position);
  if (!from) return std::nullopt;
  return value_at(*from, position, type == ParameterType::number);
}

Setting Setting::constant(Value value) {
  Setting setting;
  setting.cases.push_back(SettingCase{std::nullopt, std::move(value), 0, 0});
  return setting;
}

}  // namespace merganser
