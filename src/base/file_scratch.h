// Bytes put aside on the disk while a job runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace merganser {

// Its name is removed as soon as it is open, so nothing is left behind however the process ends.
class ScratchFile {
 public:
  // Throws Error(io).
  explicit ScratchFile(const std::filesystem::path& folder);
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile();

  // Returns the offset that the bytes have got. Throws Error(io).
  std::uint64_t append(std::span<const std::byte> bytes);
  void read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace merganser
