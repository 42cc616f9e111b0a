// A file's bytes, unpacked on the way where it is a gzip file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace merganser::rt {

// Read once, from the beginning. Whether it is packed is told from its first bytes, not its name.
class UnpackedFile {
 public:
  // Throws Error(not_found, io).
  explicit UnpackedFile(const std::filesystem::path& path);
  ~UnpackedFile();
  // The next bytes; fewer than asked for at the end alone. Throws Error(corrupt) for broken gzip.
  std::size_t read(std::span<std::byte> out);
  // No more than this can follow, by the file's size: gzip packs at most 1032 bytes into one.
  std::uint64_t most() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace merganser::rt
