#include "api/json_numbers.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace merganser {
namespace {

template <typename T>
Json list(const std::vector<T>& values) {
  Json json = Json::array();
  for (const T& value : values) json.push_back(number(value));
  return json;
}

}  // namespace

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
Json number(const std::optional<double>& value) { return value ? number(*value) : Json(nullptr); }
Json numbers(const std::vector<double>& values) { return list(values); }
Json numbers(const std::vector<std::optional<double>>& values) { return list(values); }

}  // namespace merganser
