#include "base/file_scratch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "base/file_internal.h"

namespace merganser {
namespace {

constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;  // bytes of one call

}  // namespace

ScratchFile::ScratchFile(const std::filesystem::path& folder) : path_(folder / "scratch") {
  fd_ = ::open(path_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (fd_ < 0) throw system_error(errno, "create", path_);
  ::unlink(path_.c_str());
}

ScratchFile::ScratchFile(std::filesystem::path path, int fd, std::uint64_t size)
    : path_(std::move(path)), fd_(fd), size_(size) {}

std::unique_ptr<ScratchFile> ScratchFile::named(const std::filesystem::path& path) {
  // Non-blocking: nobody may read from a named pipe.
  const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (fd < 0) throw system_error(errno, "open", path);
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    throw Error(ErrorKind::io, "this is not a regular file").in_file(path.string());
  }
  return std::unique_ptr<ScratchFile>(
      new ScratchFile(path, fd, static_cast<std::uint64_t>(status.st_size)));
}

ScratchFile::~ScratchFile() { ::close(fd_); }

std::uint64_t ScratchFile::append(std::span<const std::byte> bytes) {
  const std::uint64_t offset = size_;
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t put =
        ::pwrite(fd_, bytes.data() + done, std::min(bytes.size() - done, kMostAtOnce),
                 static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == ENOSPC) throw no_space(path_, bytes.size() - done);
    if (put < 0) throw system_error(errno, "write", path_);
    done += static_cast<std::size_t>(put);
  }
  size_ += bytes.size();
  return offset;
}

void ScratchFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  for (std::size_t done = 0; done < out.size();) {
    const ssize_t got = ::pread(fd_, out.data() + done, std::min(out.size() - done, kMostAtOnce),
                                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(errno, "read", path_);
    if (got == 0) throw Error(ErrorKind::io, "a scratch file is cut short").in_file(path_.string());
    done += static_cast<std::size_t>(got);
  }
}

void ScratchFile::cut(std::uint64_t size) {
  assert(size <= size_);
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) throw system_error(errno, "cut", path_);
  size_ = size;
}

void ScratchFile::sync() const {
#ifdef __APPLE__
  const int code = ::fsync(fd_);
#else
  const int code = ::fdatasync(fd_);
#endif
  if (code != 0) throw system_error(errno, "write to disk", path_);
}

}  // namespace merganser
