// What a run that was killed left beside its target. Private to this layer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace merganser {

// ".NAME.merganser-", for the lock and the folders of a target. A name that leaves no room for more
// is cut, and told apart by its hash.
std::string hidden_prefix(const std::filesystem::path& target);

// The folders that runs into this target made and neither installed nor removed; the most recently
// used first.
std::vector<std::filesystem::path> leftovers(const std::filesystem::path& target);

// The one of them that a journal, of tensors or of experts, says how to go on in.
std::optional<std::filesystem::path> unfinished_run(const std::filesystem::path& target);

// Whether a journal that is an ordinary file was begun: its first line, which says of which merge
// it is, is there to its end. Without it, as of a run that was killed or had no room for it, the
// file says nothing, and is as good as absent.
bool is_begun(const std::filesystem::path& journal);

// Bytes on the disk that they take.
std::uint64_t leftover_bytes(const std::filesystem::path& target);

}  // namespace merganser
