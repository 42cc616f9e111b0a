// The hash of a whole file.
#pragma once

#include <filesystem>
#include <string>

#include "base/hash.h"

namespace merganser {

// "xxh3:…" or "sha256:…"; "" for HashKind::none. Throws Error for what cannot be read.
std::string hash_file(const std::filesystem::path& path, HashKind kind);

}  // namespace merganser
