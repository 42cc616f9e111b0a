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

}  // namespace

bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

ShardIndex parse_index(std::string_view text, const std::string& name) {
  const auto fail = [&](std::string what) -> Error {
    return Error(ErrorKind::corrupt, std::move(what)).in_file(name);
  };
  const Json json = parse_json(text, name);
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (!json.is_object() || map == json.end() || !map->is_object()) {
    throw fail("index has no 'weight_map' object");
  }
  if (map->empty()) throw fail("index names no tensor");

  ShardIndex index;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string()) throw fail("the index names no file for it").in_tensor(tensor);
    const auto& shard = file.get_ref<const std::string&>();
    if (!is_plain_file_name(shard)) {
      throw fail(
          fmt::format("index names the file '{}': only plain names in its own folder are read",
                      shard))
          .in_tensor(tensor);
    }
    index.weight_map.emplace_back(tensor, shard);
    index.files.push_back(shard);
  }
  std::ranges::sort(index.weight_map);
  std::ranges::sort(index.files);
  index.files.erase(std::unique(index.files.begin(), index.files.end()), index.files.end());
  return index;
}

ShardIndex read_index(const std::filesystem::path& path) {
  return parse_index(read_text(path, kLargestIndex), path.string());
}

}  // namespace merganser
