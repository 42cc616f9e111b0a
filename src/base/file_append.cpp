#include "base/file_append.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "base/file_internal.h"

namespace merganser {

AppendFile::AppendFile(const std::filesystem::path& path, std::uint64_t size) : path_(path) {
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_APPEND, 0666);
  if (fd_ < 0) throw system_error(errno, "open", path);
  if (::ftruncate(fd_, static_cast<off_t>(size)) == 0) return;
  const int code = errno;
  ::close(fd_);
  throw system_error(code, "cut", path);
}

AppendFile::AppendFile(const std::filesystem::path& path, std::string_view head)
    : AppendFile(path, std::uint64_t{0}) {
  try {
    append(head);
    sync_folder(path.has_parent_path() ? path.parent_path() : ".");
  } catch (...) {
    ::unlink(path.c_str());
    throw;
  }
}

AppendFile::~AppendFile() { ::close(fd_); }

void AppendFile::append(std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd_, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw system_error(errno, "write", path_);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::fsync(fd_) != 0) throw system_error(errno, "write to disk", path_);
}

}  // namespace merganser
