// A model's config.json as a family reads it: typed values, within limits, with errors that name
// the key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace merganser::rt {

class Config {
 public:
  // `place`: the file, for errors. The JSON must live as long.
  Config(const Json& json, std::string place) : json_(&json), place_(std::move(place)) {}

  // The first of the keys that is there and not null. Throws Error(corrupt) for another type, and
  // for sizes outside [0, 2^31).
  std::optional<std::int64_t> find_integer(const std::string& key) const;
  std::optional<double> find_number(const std::string& key) const;
  std::optional<bool> find_flag(const std::string& key) const;
  std::optional<std::string> find_text(const std::string& key) const;
  std::vector<std::int64_t> integers(const std::string& key) const;  // empty where absent
  std::vector<std::string> texts(const std::string& key) const;
  std::optional<Config> find_object(const std::string& key) const;

  bool contains(const std::string& key) const;  // also where it is null

  std::int64_t integer(const std::string& key) const;  // Error(corrupt) where absent
  std::int64_t integer(const std::string& key, std::int64_t fallback) const;
  // At least 1.
  std::int64_t size(const std::string& key) const;
  double number(const std::string& key, double fallback) const;
  bool flag(const std::string& key, bool fallback) const;
  std::string text(const std::string& key, const std::string& fallback) const;

  const std::string& place() const { return place_; }
  const Json& json() const { return *json_; }

 private:
  const Json* find(const std::string& key) const;

  const Json* json_;
  std::string place_;
};

}  // namespace merganser::rt
