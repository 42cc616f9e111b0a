// The index of a sharded checkpoint: which tensor lies in which file.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace merganser {

struct ShardIndex {
  std::vector<std::pair<std::string, std::string>> weight_map;  // tensor, file; sorted by tensor
  std::vector<std::string> files;                               // each once, sorted
};

// True for the name of a file in its own folder: no path, not "." or "..", no NUL. A hostile list
// of files must not make us read, or report on, files elsewhere. The named file itself may be a
// symbolic link: in the Hugging Face cache all are.
bool is_plain_file_name(std::string_view name);

// Throws Error(corrupt): not an index, or a file name that leads out of the folder.
ShardIndex read_index(const std::filesystem::path& path);
// The same of a text. `name` is for errors.
ShardIndex parse_index(std::string_view text, const std::string& name);

}  // namespace merganser
