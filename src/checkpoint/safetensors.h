// The safetensors format: header in, header out. docs/formats.md has the layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/tensor_info.h"

namespace merganser::safetensors {

inline constexpr std::uint64_t kMaxHeader = 100'000'000;  // bytes, as the reference library

struct Entry {
  TensorInfo info;
  std::uint64_t begin = 0, end = 0;  // bytes, relative to the end of the header
};

struct Header {
  std::uint64_t size = 0;      // bytes of the file before the data: 8 + header length
  std::vector<Entry> entries;  // in order of their data
  std::map<std::string, std::string> metadata;
};

// Reads and validates: length, JSON (depth and duplicate keys), dtypes, shapes, offsets contiguous
// from 0, without overlap, equal to the file's size. Throws Error(corrupt) naming file and tensor.
Header read_header(const InputFile& file);
// The same from bytes; file_size = of the whole file. For tests and fuzzing.
Header parse_header(std::string_view header_json, std::uint64_t file_size, const std::string& name);

// The leading bytes of a file that holds `tensors` in this order, data contiguous, padded with
// spaces so that the data begin at a multiple of 8.
std::string make_header(std::span<const TensorInfo> tensors,
                        const std::map<std::string, std::string>& metadata);

}  // namespace merganser::safetensors
