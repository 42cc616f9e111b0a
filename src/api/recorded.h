// A merge's provenance, read back.
#pragma once

#include <filesystem>
#include <string>

#include "base/json.h"

namespace merganser {

// `given`: an output folder, a .safetensors file, or a provenance file itself.
std::filesystem::path find_provenance(const std::string& given);

// Throws Error: what is there is no provenance, or of a newer program.
Json read_provenance(const std::filesystem::path& path);

// "" where the key is absent or holds no text.
std::string text_at(const Json& value, const char* key);

}  // namespace merganser
