// Files that are not safetensors, known by their first bytes, and what to do about each.
#pragma once

#include <cstddef>
#include <span>

#include "base/file.h"

namespace merganser::safetensors {

// Throws an Error that says what the file is; returns if it cannot tell. `beginning`: up to 512
// bytes from the file's start.
void refuse_foreign(const InputFile& file, std::span<const std::byte> beginning);

}  // namespace merganser::safetensors
