// A merge's provenance, read back.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/json.h"

namespace merganser {

// `given`: an output folder, a .safetensors file, or a provenance file itself.
std::filesystem::path find_provenance(const std::string& given);

// Throws Error: what is there is no provenance, or of a newer program. It is an object with a list
// `tensors`, and, of a merge, a text `recipe`.
Json read_provenance(const std::filesystem::path& path);
// The same of one's text. `name` is for errors.
Json parse_provenance(std::string_view text, const std::string& name);

// An adapter's provenance is none.
void require_merge(const Json& provenance, const std::string& name);

// "" where the key is absent or holds no text.
std::string text_at(const Json& value, const char* key);

}  // namespace merganser
