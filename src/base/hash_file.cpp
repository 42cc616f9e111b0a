#include "base/hash_file.h"

#include <algorithm>
#include <vector>

#include "base/file.h"

namespace merganser {

std::string hash_file(const std::filesystem::path& path, HashKind kind) {
  const auto hasher = Hasher::make(kind);
  if (!hasher) return "";
  const InputFile file(path);
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  for (std::uint64_t at = 0; at < file.size(); at += buffer.size()) {
    const auto size = std::min<std::uint64_t>(buffer.size(), file.size() - at);
    const std::span<std::byte> part = std::span(buffer).first(static_cast<std::size_t>(size));
    file.read(at, part);
    hasher->update(part);
  }
  return hasher->finish();
}

}  // namespace merganser
