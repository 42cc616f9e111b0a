#include "method/settings.h"

#include <fmt/format.h>

#include <cassert>

namespace merganser {
namespace {

const Value& find(const Settings::Table& table, std::string_view name) {
  const auto it = table.find(name);
  assert(it != table.end() && "parameter is not in the descriptor");
  return it->second;
}

}  // namespace

double Settings::number(std::string_view name) const {
  return std::get<double>(find(shared, name));
}
bool Settings::flag(std::string_view name) const { return std::get<bool>(find(shared, name)); }

const std::string& Settings::choice(std::string_view name) const {
  return std::get<std::string>(find(shared, name));
}

double Settings::number(std::string_view name, std::size_t input) const {
  return std::get<double>(find(per_input.at(input), name));
}

std::optional<double> Settings::optional_number(std::string_view name, std::size_t input) const {
  const Table& table = per_input.at(input);
  const auto it = table.find(name);
  if (it == table.end()) return std::nullopt;
  return std::get<double>(it->second);
}

std::vector<double> Settings::numbers(std::string_view name) const {
  std::vector<double> values;
  values.reserve(per_input.size());
  for (std::size_t i = 0; i < per_input.size(); ++i) values.push_back(number(name, i));
  return values;
}

std::string to_string(const Value& value) {
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  return std::get<std::string>(value);
}

}  // namespace merganser
