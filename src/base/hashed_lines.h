// Lines that a run notes down as it goes on: one JSON object and its hash each, so that a later run
// can tell which of them are whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace merganser {

// The object on one line, a blank, its XXH3-64 as 16 hex digits, a newline.
std::string hashed_line(const Json& object);

// The object of the line at `at`, and `at` behind it; none at a damaged or absent line, and `at` as
// it was. `name` is of the file.
std::optional<Json> next_hashed_line(std::string_view text, std::size_t& at, std::string_view name);

// Throws Json::exception unless it is a count: a fraction or a number beyond 64 bits has no value
// as an integer.
std::uint64_t count_of(const Json& value);

}  // namespace merganser
