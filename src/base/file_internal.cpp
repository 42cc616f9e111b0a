#include "base/file_internal.h"

#include <fmt/format.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "base/file.h"
#include "base/text.h"

namespace merganser {

namespace fs = std::filesystem;

Error system_error(int code, std::string_view action, const fs::path& path) {
  const ErrorKind kind = code == ENOENT ? ErrorKind::not_found : ErrorKind::io;
  std::string reason = std::generic_category().message(code);
  std::error_code ignored;
  const bool link = fs::is_symlink(fs::symlink_status(path, ignored));
  if (code == ENOENT && link) reason = "it is a symbolic link to something that does not exist";
  if (code == ELOOP) reason = "its symbolic links go in a circle";
  Error error(kind, fmt::format("cannot {}: {}", action, reason));
  error.in_file(path.string());
  if (code == EACCES || code == EPERM) error.hint("check its permissions and those of its folder");
  if (code == EMFILE) error.hint("raise the limit of open files: ulimit -n");
  if (code == ENOENT && link) error.hint("the download it belongs to may be unfinished");
  return error;
}

Error no_space(const fs::path& path, std::uint64_t needed) {
  const fs::path parent = path.parent_path();
  return Error(ErrorKind::io, fmt::format("no space left: needs {}, {} free", human_bytes(needed),
                                          human_bytes(free_space(parent.empty() ? "." : parent))))
      .in_file(path.string());
}

}  // namespace merganser
