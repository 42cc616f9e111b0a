#include "api/report_file.h"

#include <filesystem>

#include "base/error.h"

namespace merganser {

void check_report_file(const std::string& name, bool force) {
  if (name.empty()) return;
  const std::filesystem::path path(name);
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::error_code ignored;
  const auto refuse = [&](const char* what, const char* hint) {
    throw Error(ErrorKind::usage, what).in_file(name).hint(hint);
  };
  if (std::filesystem::is_directory(path, ignored)) {
    refuse("it is a folder", "give the name of a file in it");
  }
  if (!std::filesystem::is_directory(folder, ignored)) {
    refuse("its folder does not exist", "make it first");
  }
  if (!force && std::filesystem::exists(std::filesystem::symlink_status(path, ignored))) {
    refuse("it exists already", "choose another name, or replace it with --force");
  }
}

}  // namespace merganser
