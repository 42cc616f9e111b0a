// How much memory the system can still give.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace merganser {

// Bytes that can be taken before the kernel has to kill a process: what /proc/meminfo calls
// available, and swap, within the limit of the control group. None where the system does not tell.
std::optional<std::uint64_t> free_memory();

// The same, of a system whose files are under another root.
std::optional<std::uint64_t> free_memory(const std::filesystem::path& root);

}  // namespace merganser
