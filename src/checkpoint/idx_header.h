// The header of MNIST's IDX files: two zero bytes, the element type, the number of axes, the sizes
// as big-endian 32-bit words; the elements follow, the last axis fastest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace merganser {

struct IdxHeader {
  std::vector<std::uint64_t> shape;  // 1 to 4 axes, none of them 0
  std::uint64_t begin = 0;           // of the elements in the file
  std::uint64_t bytes = 0;           // of all elements: unsigned bytes
};

// Bytes that the longest header takes: what has to be read before parse_idx_header().
inline constexpr std::size_t kIdxHeader = 4 + 4 * 4;

// `start`: the file's first bytes, kIdxHeader of them or all there are. `place`: the file, for
// errors. Throws Error(corrupt) for what is no IDX file, Error(unsupported) for elements other than
// unsigned bytes and for more than 2^32 of them.
IdxHeader parse_idx_header(std::span<const std::byte> start, std::string_view place);

}  // namespace merganser
