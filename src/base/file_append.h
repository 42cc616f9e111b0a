// A file that only grows, each part of it durable before the next.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace merganser {

class AppendFile {
 public:
  // Created, or gone on with behind its first `size` bytes; what follows them is cut off. Throws
  // Error(io); refuses links.
  AppendFile(const std::filesystem::path& path, std::uint64_t size);
  // Begun anew with this text, durable under its name; where that cannot be, nothing stays under
  // the name. Throws Error(io); refuses links.
  AppendFile(const std::filesystem::path& path, std::string_view head);
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;
  ~AppendFile();

  void append(std::string_view text);  // durable on return; throws Error(io)

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace merganser
