// Values of a config.json by dotted path ("text_config.num_hidden_layers"), safe against any
// content.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"

namespace merganser {

// No model has more layers; a larger number in a config or a name is not a layer count.
inline constexpr std::size_t max_layers = 100000;

std::string join_path(std::string_view root, std::string_view key);  // "" + "a" = "a"

// The value, or null where the path leads nowhere or to a JSON null. "" is the config itself.
const Json* find_path(const Json& config, std::string_view path);
Json* find_path(Json& config, std::string_view path);

// Puts a value, in place where the key exists (its position in the file stays), else at the end.
// Throws Error(corrupt) where the path runs through something that is not an object.
void set_path(Json& config, std::string_view path, Json value);

// A whole number from 0 up; none for anything else.
std::optional<std::uint64_t> whole_number(const Json& value);

// A number of layers; none where the path leads nowhere. Throws Error(corrupt) for anything else
// than a whole number from 0 to max_layers.
std::optional<std::size_t> read_count(const Json& config, std::string_view path);

// A value as it stands in the file, shortened, for messages.
std::string show(const Json& value);

}  // namespace merganser
