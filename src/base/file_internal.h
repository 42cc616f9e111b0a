// What file.cpp and file_whole.cpp share, and their tests need.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/error.h"

namespace merganser {

// "cannot {action}: {what errno `code` means}": not_found for ENOENT, io for the rest.
Error system_error(int code, std::string_view action, const std::filesystem::path& path);

// For a file of which `needed` bytes are still to come.
Error no_space(const std::filesystem::path& path, std::uint64_t needed);

// install() with `replace` for file systems that cannot exchange two names. Between its two renames
// `target` is absent for a moment.
void install_by_second_name(const std::filesystem::path& made, const std::filesystem::path& target);

}  // namespace merganser
