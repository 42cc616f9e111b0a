// All merge methods of the program, by name.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "method/descriptor.h"

namespace merganser {

std::span<const Descriptor* const> all_methods();         // sorted by name
const Descriptor* find_method(std::string_view name);     // null: unknown
const Descriptor& require_method(std::string_view name);  // throws Error(recipe), nearest name
std::vector<std::string> method_names();

}  // namespace merganser
