// JSON with the key order of the text: config.json keeps its own.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace merganser {
using Json = nlohmann::ordered_json;
}  // namespace merganser
