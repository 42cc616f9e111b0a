#include "checkpoint/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"

namespace merganser {
namespace {

constexpr std::uint64_t kLargestIndex = std::uint64_t{64} << 20;  // bytes

// A hostile index must not make us read, or report on, files elsewhere. The named file itself may
// be a symbolic link: in the Hugging Face cache all are.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

}  // namespace

ShardIndex read_index(const std::filesystem::path& path) {
  const auto fail = [&](std::string what) -> Error {
    return Error(ErrorKind::corrupt, std::move(what)).in_file(path.string());
  };
  const Json json = parse_json(read_text(path, kLargestIndex), path.string());
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (!json.is_object() || map == json.end() || !map->is_object()) {
    throw fail("index has no 'weight_map' object");
  }
  if (map->empty()) throw fail("index names no tensor");

  ShardIndex index;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string()) throw fail("the index names no file for it").in_tensor(tensor);
    const auto& name = file.get_ref<const std::string&>();
    if (!is_plain_name(name)) {
      throw fail(
          fmt::format("index names the file '{}': only plain names in its own folder are read",
                      name))
          .in_tensor(tensor);
    }
    index.weight_map.emplace_back(tensor, name);
    index.files.push_back(name);
  }
  std::ranges::sort(index.weight_map);
  std::ranges::sort(index.files);
  index.files.erase(std::unique(index.files.begin(), index.files.end()), index.files.end());
  return index;
}

}  // namespace merganser
