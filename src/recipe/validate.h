// Holds a recipe's parameters against the method's descriptor.
#pragma once

#include "method/descriptor.h"
#include "recipe/recipe.h"

namespace merganser {

// Every parameter anywhere in the recipe is known to the method, has its type and lies in its
// range; required ones are given somewhere; each base_model role and the number of inputs of each
// slice fit (a base_model that is not listed is counted as MergeKit does); no model twice in a
// slice. Throws Error(recipe) with line, column, nearest name.
void validate(const Recipe& recipe, const Descriptor& method);

// The value of `parameter` for one tensor. Levels from high to low precedence; null entries are
// skipped. Returns the descriptor's fallback if no level has a value (none: not set anywhere).
// Numbers are converted from ints and bools as the type asks and checked against the range.
std::optional<Value> resolve(const Parameter& parameter,
                             std::initializer_list<const Parameters*> levels,
                             const Position& position, const std::string& file);

}  // namespace merganser
