// What a recipe's bytes must be before the YAML library sees them.
#pragma once

#include <string>
#include <string_view>

namespace merganser::yaml {

// At most kMaxText bytes of UTF-8 without control characters. Throws Error(recipe).
void check_text(std::string_view text, const std::string& file);

// The text's line `number` (from 1) without its end; empty beyond the last.
std::string_view line_of(std::string_view text, std::size_t number);

}  // namespace merganser::yaml
