// For tests: tiny safetensors files. Not checked, so that broken ones can be written too.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor_info.h"
#include "base/testing.h"
#include "checkpoint/safetensors.h"

namespace merganser::test {

struct TestTensor {
  std::string name;
  DType dtype = DType::f32;
  Shape shape = {};
  std::string bytes = {};  // empty: as many zeros as the shape needs
};

// The bytes of numbers: bytes_of<float>({1, 2, 3}).
template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// A file of this header text, whatever it holds, and data.
inline std::string safetensors_text(std::string_view header_json, std::string_view data = {}) {
  std::string text(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) {
    text[i] = static_cast<char>(std::uint64_t{header_json.size()} >> (8 * i) & 0xff);
  }
  text += header_json;
  return text += data;
}

// write_safetensors(path, {{"w", DType::f32, {2}, bytes_of<float>({1, 2})}}). Returns the path.
inline std::filesystem::path write_safetensors(
    const std::filesystem::path& path, const std::vector<TestTensor>& tensors,
    const std::map<std::string, std::string>& metadata = {{"format", "pt"}}) {
  std::vector<TensorInfo> infos;
  std::string data;
  for (const TestTensor& tensor : tensors) {
    infos.push_back({tensor.name, tensor.dtype, tensor.shape});
    data += tensor.bytes.empty() ? std::string(infos.back().bytes(), '\0') : tensor.bytes;
  }
  return write_file(path, safetensors::make_header(infos, metadata) + data);
}

// {"metadata": …, "weight_map": …} of tensor to file.
inline std::filesystem::path write_index(const std::filesystem::path& path,
                                         const std::map<std::string, std::string>& weight_map) {
  std::string text = R"({"metadata": {"total_size": 0}, "weight_map": {)";
  const char* comma = "";
  for (const auto& [tensor, file] : weight_map) {
    text += std::string(comma) + '"' + tensor + "\": \"" + file + '"';
    comma = ", ";
  }
  return write_file(path, text + "}}");
}

}  // namespace merganser::test
