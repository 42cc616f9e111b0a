#include "runtime/config.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace merganser::rt {
namespace {

constexpr std::int64_t kMost = (std::int64_t{1} << 31) - 1;

Error wrong(const std::string& place, const std::string& key, const std::string& expected) {
  return Error(ErrorKind::corrupt, fmt::format("'{}' is no {}", key, expected)).in_file(place);
}

std::int64_t checked(const Json& value, const std::string& place, const std::string& key) {
  if (!value.is_number_integer()) throw wrong(place, key, "whole number");
  const double size = value.get<double>();
  if (size < -1 || size > static_cast<double>(kMost)) throw wrong(place, key, "size below 2^31");
  return value.get<std::int64_t>();
}

}  // namespace

const Json* Config::find(const std::string& key) const {
  if (!json_->is_object()) return nullptr;
  const auto found = json_->find(key);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::int64_t> Config::find_integer(const std::string& key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  return checked(*value, place_, key);
}

std::optional<double> Config::find_number(const std::string& key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) throw wrong(place_, key, "number");
  return value->get<double>();
}

std::optional<bool> Config::find_flag(const std::string& key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) throw wrong(place_, key, "true or false");
  return value->get<bool>();
}

std::optional<std::string> Config::find_text(const std::string& key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) throw wrong(place_, key, "text");
  return value->get<std::string>();
}

std::vector<std::int64_t> Config::integers(const std::string& key) const {
  std::vector<std::int64_t> numbers;
  const Json* value = find(key);
  if (value == nullptr) return numbers;
  if (!value->is_array()) throw wrong(place_, key, "list of whole numbers");
  for (const Json& each : *value) numbers.push_back(checked(each, place_, key));
  return numbers;
}

std::vector<std::string> Config::texts(const std::string& key) const {
  std::vector<std::string> texts;
  const Json* value = find(key);
  if (value == nullptr) return texts;
  if (!value->is_array()) throw wrong(place_, key, "list of texts");
  for (const Json& each : *value) {
    if (!each.is_string()) throw wrong(place_, key, "list of texts");
    texts.push_back(each.get<std::string>());
  }
  return texts;
}

std::optional<Config> Config::find_object(const std::string& key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) throw wrong(place_, key, "mapping");
  return Config(*value, place_);
}

bool Config::contains(const std::string& key) const {
  return json_->is_object() && json_->contains(key);
}

std::int64_t Config::integer(const std::string& key) const {
  if (const auto value = find_integer(key)) return *value;
  throw Error(ErrorKind::corrupt, fmt::format("there is no '{}'", key)).in_file(place_);
}

std::int64_t Config::integer(const std::string& key, std::int64_t fallback) const {
  return find_integer(key).value_or(fallback);
}

std::int64_t Config::size(const std::string& key) const {
  const std::int64_t value = integer(key);
  if (value < 1) throw wrong(place_, key, "size of at least 1");
  return value;
}

double Config::number(const std::string& key, double fallback) const {
  return find_number(key).value_or(fallback);
}

bool Config::flag(const std::string& key, bool fallback) const {
  return find_flag(key).value_or(fallback);
}

std::string Config::text(const std::string& key, const std::string& fallback) const {
  return find_text(key).value_or(fallback);
}

}  // namespace merganser::rt
