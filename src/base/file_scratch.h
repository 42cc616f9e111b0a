// Bytes put aside on the disk while a job runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace merganser {

// Without a name unless it is asked for one: then nothing is left behind however the process ends.
class ScratchFile {
 public:
  // Its name is removed as soon as it is open. Throws Error(io).
  explicit ScratchFile(const std::filesystem::path& folder);
  // The file of this name, with what is in it; made where there is none. It stays when the process
  // ends. Throws Error(io); refuses links and what is no regular file.
  static std::unique_ptr<ScratchFile> named(const std::filesystem::path& path);
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile();

  // Returns the offset that the bytes have got. Throws Error(io).
  std::uint64_t append(std::span<const std::byte> bytes);
  void read(std::uint64_t offset, std::span<std::byte> out) const;
  std::uint64_t size() const { return size_; }
  void cut(std::uint64_t size);  // at most size(); throws Error(io)
  void sync() const;             // what was appended is durable on return; throws Error(io)

 private:
  ScratchFile(std::filesystem::path path, int fd, std::uint64_t size);

  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace merganser
