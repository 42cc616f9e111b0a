// libFuzzer: whatever the bytes, an index is read or refused with an Error, and the files that it
// names are plain names, each listed once.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "base/error.h"
#include "checkpoint/index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace merganser;
  try {
    const ShardIndex index = parse_index({reinterpret_cast<const char*>(data), size}, "fuzz.json");
    if (index.weight_map.empty() || !std::ranges::is_sorted(index.weight_map)) std::abort();
    if (!std::ranges::is_sorted(index.files) ||
        std::ranges::adjacent_find(index.files) != index.files.end()) {
      std::abort();
    }
    for (const auto& [tensor, file] : index.weight_map) {
      if (!std::ranges::binary_search(index.files, file)) std::abort();
    }
    const std::filesystem::path folder = "folder";
    for (const std::string& file : index.files) {
      const auto place = (folder / file).lexically_normal();
      if (place.parent_path() != folder || place.filename().empty()) std::abort();
    }
  } catch (const Error&) {
  }
  return 0;
}
