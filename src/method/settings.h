// The resolved parameters of one output tensor: nothing left to look up or to guess.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "method/parameter.h"

namespace merganser {

struct Settings {
  using Table = std::map<std::string, Value, std::less<>>;

  Table shared;
  std::vector<Table> per_input;  // one for each input of the tensor, in the inputs' order

  // A missing name is our bug (the recipe was validated against the descriptor): assert.
  double number(std::string_view name) const;
  bool flag(std::string_view name) const;
  const std::string& choice(std::string_view name) const;
  double number(std::string_view name, std::size_t input) const;
  std::optional<double> optional_number(std::string_view name, std::size_t input) const;

  std::vector<double> numbers(std::string_view name) const;  // one for each input

  bool operator==(const Settings&) const = default;
};

}  // namespace merganser
