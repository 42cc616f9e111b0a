// libFuzzer: whatever the bytes, a header is read or refused with an Error, and what is read holds
// together.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "checkpoint/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The first two bytes say how much data follow the header, so that valid files are within reach.
  if (size < 2) return 0;
  const std::uint64_t data_size = data[0] | std::uint64_t{data[1]} << 8;
  const std::string_view json(reinterpret_cast<const char*>(data) + 2, size - 2);
  try {
    const auto header =
        merganser::safetensors::parse_header(json, 8 + json.size() + data_size, "fuzz");
    std::uint64_t end = 0;
    for (const auto& entry : header.entries) {
      if (entry.begin != end || entry.end - entry.begin != entry.info.bytes()) std::abort();
      end = entry.end;
    }
    if (end != data_size) std::abort();
  } catch (const merganser::Error&) {
  }
  return 0;
}
