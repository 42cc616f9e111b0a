// libFuzzer: whatever the bytes, an IDX header is read or refused with an Error, and its sizes
// multiply to what it says.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/error.h"
#include "checkpoint/idx_header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace merganser;
  try {
    const IdxHeader header = parse_idx_header(std::as_bytes(std::span(data, size)), "fuzz");
    std::uint64_t bytes = 1;
    for (const std::uint64_t each : header.shape) bytes *= each;
    if (header.shape.empty() || bytes != header.bytes || bytes == 0) std::abort();
    if (bytes > std::uint64_t{1} << 32) std::abort();
    if (header.begin != 4 + 4 * header.shape.size() || header.begin > size) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
