// libFuzzer: whatever the bytes, an archive of the zip form is read or refused with an Error, and
// what is read lies within the file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "checkpoint/strided.h"
#include "checkpoint/torch_archive.h"
#include "checkpoint/zip.h"

namespace {

void check_directory(const merganser::ByteSource& file) {
  const auto directory = merganser::zip::read_directory(file);
  for (const auto& entry : directory.entries) {
    if (entry.size > file.size || entry.begin > file.size - entry.size) std::abort();
    if (directory.find(entry.name) != &entry) std::abort();
  }
}

void read_tensors(const merganser::ByteSource& file) {
  const auto contents =
      merganser::torch_archive::read_archive(file, merganser::torch_archive::Form::zip);
  for (const auto& tensor : contents.tensors) {
    const std::uint64_t bytes = tensor.info.bytes();
    if (bytes > std::uint64_t{1} << 16) continue;  // repeated elements: slow, not wrong
    std::vector<std::byte> data(static_cast<std::size_t>(bytes));
    const auto read = [&](std::uint64_t offset, std::span<std::byte> out) {
      if (offset > file.size || tensor.offset > file.size - offset ||
          out.size() > file.size - offset - tensor.offset) {
        std::abort();
      }
      file.read(tensor.offset + offset, out);
    };
    if (tensor.strides.empty()) {
      read(0, data);
    } else {
      merganser::strided::gather(tensor.info, tensor.strides, 0, data, read);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto file = merganser::source_of(bytes, "fuzz");
  for (const auto step : {check_directory, read_tensors}) {
    try {
      step(file);
    } catch (const merganser::Error&) {
    }
  }
  return 0;
}
