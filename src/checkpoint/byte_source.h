// Bytes that are read by position: a file, or a piece of memory in tests and fuzzing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/file.h"

namespace merganser {

struct ByteSource {
  std::string name;  // for errors
  std::uint64_t size = 0;
  // Fills `out` from `offset`; the caller has checked that this lies within `size`.
  std::function<void(std::uint64_t offset, std::span<std::byte> out)> read;
};

// `file` and `memory` must outlive the result.
inline ByteSource source_of(const InputFile& file) {
  return {file.path().string(), file.size(),
          [&file](std::uint64_t offset, std::span<std::byte> out) { file.read(offset, out); }};
}

inline ByteSource source_of(std::string_view memory, std::string name) {
  return {std::move(name), memory.size(), [memory](std::uint64_t offset, std::span<std::byte> out) {
            const auto bytes = std::as_bytes(std::span(memory));
            std::ranges::copy(bytes.subspan(static_cast<std::size_t>(offset), out.size()),
                              out.begin());
          }};
}

inline std::uint64_t little_endian(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  }
  return value;
}

}  // namespace merganser
