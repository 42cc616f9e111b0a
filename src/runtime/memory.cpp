#include "runtime/memory.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file_memory.h"
#include "base/text.h"

namespace merganser::rt {

std::uint64_t bytes_of(std::span<const TensorInfo> tensors, at::ScalarType dtype) {
  constexpr double kMost = 9.2e18;
  double bytes = 0;
  for (const TensorInfo& tensor : tensors) {
    if (!is_float(tensor.dtype)) continue;
    bytes += static_cast<double>(tensor.size()) * static_cast<double>(c10::elementSize(dtype));
  }
  return static_cast<std::uint64_t>(std::min(bytes, kMost));
}

void need_memory(std::uint64_t bytes, const at::Device& device, const std::string& file,
                 const std::string& what, const std::string& hint) {
  if (!device.is_cpu()) return;
  const auto room = free_memory();
  if (!room || bytes <= *room) return;
  Error error(ErrorKind::io, fmt::format("not enough memory: {} {}, {} are free", what,
                                         human_bytes(bytes), human_bytes(*room)));
  if (!file.empty()) error.in_file(file);
  if (!hint.empty()) error.hint(hint);
  throw error;
}

void need_memory(const Source& source, const Placement& placement) {
  const bool wide = c10::elementSize(placement.dtype) > 2;
  need_memory(bytes_of(source.headers(), placement.dtype), placement.device, source.label(),
              "its weights take", wide ? "--compute-dtype bfloat16 takes two bytes each" : "");
}

}  // namespace merganser::rt
