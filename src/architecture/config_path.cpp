#include "architecture/config_path.h"

#include <fmt/format.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace merganser {
namespace {

template <typename AnyJson>
AnyJson* find(AnyJson& config, std::string_view path) {
  AnyJson* at = &config;
  while (!path.empty()) {
    const std::size_t dot = path.find('.');
    const std::string key(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
    if (!at->is_object()) return nullptr;
    const auto found = at->find(key);
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at->is_null() ? nullptr : at;
}

}  // namespace

std::string join_path(std::string_view root, std::string_view key) {
  if (root.empty()) return std::string(key);
  return fmt::format("{}.{}", root, key);
}

const Json* find_path(const Json& config, std::string_view path) { return find(config, path); }
Json* find_path(Json& config, std::string_view path) { return find(config, path); }

void set_path(Json& config, std::string_view path, Json value) {
  Json* at = &config;
  for (const std::string_view key : split(path, '.')) {
    if (at->is_null()) *at = Json::object();
    if (!at->is_object()) {
      throw Error(
          ErrorKind::corrupt,
          fmt::format("config.json: no room for '{}': {} stands in its place", path, show(*at)));
    }
    at = &(*at)[std::string(key)];
  }
  *at = std::move(value);
}

std::optional<std::uint64_t> whole_number(const Json& value) {
  // The parser stores whole numbers unsigned, programs may have put them in signed.
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  if (!value.is_number_integer() || value.get<std::int64_t>() < 0) return std::nullopt;
  return value.get<std::uint64_t>();
}

std::optional<std::size_t> read_count(const Json& config, std::string_view path) {
  const Json* value = find_path(config, path);
  if (value == nullptr) return std::nullopt;
  const auto count = whole_number(*value);
  if (!count || *count > max_layers) {
    throw Error(ErrorKind::corrupt,
                fmt::format("config.json: '{}' is {}, not a number of layers", path, show(*value)))
        .hint(fmt::format("a whole number from 0 to {} is expected", max_layers));
  }
  return static_cast<std::size_t>(*count);
}

std::string show(const Json& value) {
  // A huge or deep value is named by its kind alone: printing it would cost as much as it is big.
  if (value.is_structured()) return value.is_array() ? "a list" : "an object";
  if (value.is_string() && value.get_ref<const std::string&>().size() > 60) return "a long text";
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace merganser
