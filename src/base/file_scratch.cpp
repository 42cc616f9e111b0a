#include "base/file_scratch.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

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

}  // namespace merganser
