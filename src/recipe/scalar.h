// A written scalar as number or flag, and a Value as another type.
#pragma once

#include <optional>
#include <string_view>

#include "method/parameter.h"

namespace merganser {

// Decimal only: "010" is ten, "1e-5" (which YAML 1.1 calls text) a number. Not finite where a
// double cannot hold it and for .inf and .nan; nothing where the text is no number.
std::optional<double> to_number(std::string_view text);

// YAML 1.1's words, which recipes written for Python use: true, yes, on and their opposites.
std::optional<bool> to_flag(std::string_view text);

// Flags from 0 and 1, numbers from flags and from quoted text; nothing where it makes no sense.
std::optional<Value> as_type(const Value& value, ParameterType type);

}  // namespace merganser
