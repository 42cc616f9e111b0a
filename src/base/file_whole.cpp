// The functions of base/file.h on whole files and folders.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/file_internal.h"
#include "base/text.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

// "merged/" names the same folder as "merged", but has no file name to build a sibling from.
fs::path without_slash(const fs::path& path) {
  fs::path clean = path.lexically_normal();
  return clean.has_filename() ? clean : clean.parent_path();
}

fs::path folder_of(const fs::path& path) {
  const fs::path parent = path.parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

// Hidden, and of this process and moment alone.
fs::path sibling(const fs::path& path) {
  static std::atomic<unsigned> count{0};
  return folder_of(path) /
         fmt::format(".{}.{}-{}", path.filename().string(), ::getpid(), count.fetch_add(1));
}

bool is_there(const fs::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;  // a dangling link exists too
}

void remove_replaced(const fs::path& old, const fs::path& target) {
  std::error_code code;
  fs::remove_all(old, code);
  if (code) {
    throw Error(ErrorKind::io, fmt::format("'{}' is in place, but what it replaced could not be "
                                           "removed: {}",
                                           target.string(), code.message()))
        .in_file(old.string())
        .hint("remove it by hand");
  }
}

// An errno. `flags` as of renameat2; ENOSYS where the system does not know them.
int rename_with(const fs::path& from, const fs::path& to, [[maybe_unused]] unsigned flags) {
#ifdef RENAME_EXCHANGE
  return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0 ? 0 : errno;
#else
  (void)from, (void)to;
  return ENOSYS;
#endif
}

bool flags_unknown(int code) { return code == EINVAL || code == ENOSYS || code == EOPNOTSUPP; }

Error target_exists(const fs::path& target) {
  return Error(ErrorKind::usage, "the output exists already")
      .in_file(target.string())
      .hint("choose another name, or replace it with --force");
}

void install_new(const fs::path& made, const fs::path& target) {
  int code = ENOSYS;
#ifdef RENAME_NOREPLACE
  code = rename_with(made, target, RENAME_NOREPLACE);
#endif
  if (flags_unknown(code)) {
    if (is_there(target)) throw target_exists(target);
    code = ::rename(made.c_str(), target.c_str()) == 0 ? 0 : errno;
  }
  if (code == EEXIST || code == ENOTEMPTY) throw target_exists(target);
  if (code != 0) throw system_error(code, "rename " + made.string() + " to this name", target);
}

}  // namespace

std::string read_text(const fs::path& path, std::uint64_t limit) {
  const InputFile file(path);
  if (file.size() > limit) {
    throw Error(ErrorKind::unsupported, fmt::format("file has {}, at most {} are read",
                                                    human_bytes(file.size()), human_bytes(limit)))
        .in_file(path.string());
  }
  std::string text(file.size(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

// The text under a hidden name beside this one, synced.
fs::path write_hidden(const fs::path& path, std::string_view text) {
  fs::path made = sibling(path);
  try {
    OutputFile file(made, text.size());
    file.write(0, std::as_bytes(std::span(text)));
    file.sync();
  } catch (...) {
    ::unlink(made.c_str());
    throw;
  }
  return made;
}

void write_text(const fs::path& path, std::string_view text) {
  const fs::path made = write_hidden(path, text);
  if (::rename(made.c_str(), path.c_str()) != 0) {
    const int code = errno;
    ::unlink(made.c_str());
    throw system_error(code, "write", path);
  }
}

void copy_file(const fs::path& from, const fs::path& to) {
  const InputFile in(from);
  struct stat status {};
  if (::stat(from.c_str(), &status) != 0) throw system_error(errno, "read", from);
  OutputFile out(to, in.size());  // never an existing file, so the clean-up below removes our own
  try {
    std::vector<std::byte> buffer(
        static_cast<std::size_t>(std::min<std::uint64_t>(in.size(), std::uint64_t{1} << 20)));
    for (std::uint64_t at = 0; at < in.size();) {
      const std::uint64_t size = std::min<std::uint64_t>(buffer.size(), in.size() - at);
      const std::span<std::byte> part = std::span(buffer).first(static_cast<std::size_t>(size));
      in.read(at, part);
      out.write(at, part);
      at += size;
    }
    out.sync();
    if (::chmod(to.c_str(), status.st_mode & 0777) != 0) throw system_error(errno, "chmod", to);
  } catch (...) {
    ::unlink(to.c_str());
    throw;
  }
}

std::uint64_t free_space(const fs::path& folder) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) throw system_error(errno, "examine", folder);
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw system_error(errno, "open", folder);
  const int code = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  // Some network file systems have no notion of it.
  if (code != 0 && code != EINVAL && code != ENOTSUP) {
    throw system_error(code, "write to disk", folder);
  }
}

void install_by_second_name(const fs::path& made, const fs::path& target) {
  const fs::path old = sibling(target);
  if (::rename(target.c_str(), old.c_str()) != 0) throw system_error(errno, "move away", target);
  if (::rename(made.c_str(), target.c_str()) != 0) {
    const int code = errno;
    Error error = system_error(code, "rename " + made.string() + " to this name", target);
    if (::rename(old.c_str(), target.c_str()) != 0) error.hint("the old one is " + old.string());
    throw error;
  }
  sync_folder(folder_of(target));
  remove_replaced(old, target);
}

void install(const fs::path& made_name, const fs::path& target_name, bool replace) {
  const fs::path made = without_slash(made_name), target = without_slash(target_name);
  if (!is_there(made)) throw system_error(ENOENT, "install", made);
  if (!replace || !is_there(target)) {
    install_new(made, target);
    sync_folder(folder_of(target));
    return;
  }
  int code = ENOSYS;
#ifdef RENAME_EXCHANGE
  code = rename_with(made, target, RENAME_EXCHANGE);
#endif
  if (flags_unknown(code)) return install_by_second_name(made, target);
  if (code != 0) throw system_error(code, "exchange with " + made.string(), target);
  sync_folder(folder_of(target));
  remove_replaced(made, target);
}

void install_text(const fs::path& path, std::string_view text, bool replace) {
  if (replace) {
    write_text(path, text);
    return sync_folder(folder_of(path));
  }
  const fs::path made = write_hidden(path, text);
  try {
    install(made, path, false);
  } catch (...) {
    ::unlink(made.c_str());
    throw;
  }
}

}  // namespace merganser
