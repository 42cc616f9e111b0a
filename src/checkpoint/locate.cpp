#include "checkpoint/locate.h"

#include <fmt/format.h>

#include <system_error>

#include "base/error.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

std::optional<fs::path> find_locally(const fs::path& path, const std::string& recipe_file) {
  std::error_code ignored;
  // What cannot be examined is there: opening it tells why it cannot be.
  if (fs::exists(fs::symlink_status(path, ignored)) || path.is_absolute()) return path;
  if (recipe_file.empty()) return std::nullopt;
  const fs::path beside = fs::path(recipe_file).parent_path() / path;
  if (fs::exists(beside, ignored)) return beside;
  return std::nullopt;
}

}  // namespace

Located locate_model(const std::string& name, const std::string& revision,
                     const std::string& recipe_file) {
  if (const auto path = find_locally(name, recipe_file)) {
    if (revision.empty()) return {*path, std::nullopt};
    throw Error(ErrorKind::usage,
                fmt::format("revision '{}' is asked for, but '{}' is a local path", revision,
                            path->string()))
        .hint(
            "only models in the hub's cache have revisions; a path that holds '@' is written as "
            "{model: {path: …}}");
  }
  const fs::path cache = hub_cache();
  if (auto found = find_in_cache(cache, name, revision)) {
    fs::path path = found->path;
    return {std::move(path), std::move(found)};
  }
  if (revision.empty() || !is_hub_name(name)) return {name, std::nullopt};
  throw Error(ErrorKind::not_found,
              fmt::format("'{}' at revision '{}' is not in the hub's cache '{}'", name, revision,
                          cache.string()))
      .hint(fmt::format("get it: {}", download_command(name, revision)));
}

}  // namespace merganser
