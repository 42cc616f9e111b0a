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

Json parse_provenance(std::string_view text, const std::string& name) {
  Json told = parse_json(text, name);
  if (!told.is_object() || !told.contains("merganser") || !told["merganser"].is_string() ||
      !told.contains("tensors") || !told["tensors"].is_array()) {
    throw Error(ErrorKind::corrupt, "this is not the provenance of a merge")
        .in_file(name)
        .hint("name an output folder, or its merganser_provenance.json");
  }
  if (!told.contains("format") || told["format"] != 1) {
    throw Error(ErrorKind::unsupported, "its format is newer than this program").in_file(name);
  }
  return told;
}

Json read_provenance(const fs::path& path) {
  return parse_provenance(read_text(path, kMost), path.string());
}

void require_merge(const Json& provenance, const std::string& name) {
  const auto recipe = provenance.find("recipe");
  if (recipe != provenance.end() && recipe->is_string()) return;
  throw Error(ErrorKind::unsupported, "this is not the provenance of a merge by a recipe")
      .in_file(name)
      .hint("an adapter is made again by the same command; verify holds it against its record");
}

std::string text_at(const Json& value, const char* key) {
  const auto found = value.find(key);
  return found != value.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace merganser
