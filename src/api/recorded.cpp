#include "api/recorded.h"

#include <nlohmann/json.hpp>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "layout/output_folder.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMost = 256 << 20;  // bytes of a provenance file

}  // namespace

fs::path find_provenance(const std::string& given) {
  std::error_code ignored;
  const fs::path path(given);
  const bool folder = fs::is_directory(path, ignored);
  return folder || path.extension() == ".safetensors" ? provenance_of(path, !folder) : path;
}

Json read_provenance(const fs::path& path) {
  Json told = parse_json(read_text(path, kMost), path.string());
  if (!told.is_object() || !told.contains("merganser") || !told["merganser"].is_string() ||
      !told.contains("recipe") || !told["recipe"].is_string() || !told.contains("tensors") ||
      !told["tensors"].is_array()) {
    throw Error(ErrorKind::corrupt, "this is not the provenance of a merge")
        .in_file(path.string())
        .hint("name an output folder, or its merganser_provenance.json");
  }
  if (!told.contains("format") || told["format"] != 1) {
    throw Error(ErrorKind::unsupported, "its format is newer than this program")
        .in_file(path.string());
  }
  return told;
}

std::string text_at(const Json& value, const char* key) {
  const auto found = value.find(key);
  return found != value.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace merganser
