#include "checkpoint/idx_header.h"

#include <fmt/format.h>

#include "base/error.h"

namespace merganser {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 32;
constexpr unsigned kUnsignedByte = 0x08;
constexpr unsigned kMostAxes = (kIdxHeader - 4) / 4;

}  // namespace

IdxHeader parse_idx_header(std::span<const std::byte> start, std::string_view place) {
  const auto corrupt = [&](std::string what) {
    return Error(ErrorKind::corrupt, std::move(what)).in_file(place);
  };
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint64_t>(start[i]); };
  if (start.size() < 4 || byte(0) != 0 || byte(1) != 0) {
    throw corrupt("it is no IDX file: these begin with two zero bytes")
        .hint("data are .safetensors files, or MNIST's IDX files, plain or .gz");
  }
  if (byte(2) != kUnsignedByte) {
    throw Error(
        ErrorKind::unsupported,
        fmt::format("an IDX file of element type 0x{:02x}; only unsigned bytes (0x08) are read",
                    byte(2)))
        .in_file(place);
  }
  const std::uint64_t axes = byte(3);
  if (axes < 1 || axes > kMostAxes) {
    throw corrupt(fmt::format("its header has {} axes, 1 to {} are possible", axes, kMostAxes));
  }
  IdxHeader header;
  header.begin = 4 + 4 * axes;
  if (start.size() < header.begin) throw corrupt("its header is cut short");
  header.bytes = 1;
  for (std::size_t at = 4; at < header.begin; at += 4) {
    const std::uint64_t size =
        byte(at) << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3);
    if (size == 0) throw corrupt("its header has an axis of size 0: there are no data");
    if (size > kMostBytes / header.bytes) {
      throw Error(ErrorKind::unsupported, "its header states more than 2^32 elements")
          .in_file(place);
    }
    header.bytes *= size;
    header.shape.push_back(size);
  }
  return header;
}

}  // namespace merganser
