// The index of a sharded checkpoint: which tensor lies in which file.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace merganser {

struct ShardIndex {
  std::vector<std::pair<std::string, std::string>> weight_map;  // tensor, file; sorted by tensor
  std::vector<std::string> files;                               // each once, sorted
};

// Throws Error(corrupt): not an index, or a file name that leads out of the folder.
ShardIndex read_index(const std::filesystem::path& path);

}  // namespace merganser
