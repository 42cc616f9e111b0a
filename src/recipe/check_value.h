// One value against its parameter's declaration. Private to this layer.
#pragma once

#include "method/parameter.h"
#include "recipe/recipe.h"

namespace merganser {

// The value in the parameter's type. Throws Error(recipe) at `mark`: wrong type, out of range, not
// a whole number, no such choice.
Value check_value(const Parameter& parameter, const Value& value, Mark mark,
                  const std::string& file);

// Every value of a setting, whatever its filters; and that a constant parameter is a plain value.
void check_setting(const Parameter& parameter, const Setting& setting, const std::string& file);

}  // namespace merganser
