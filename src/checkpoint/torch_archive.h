// What torch.save writes, in both of its forms, opened: which tensors, and where their bytes lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/tensor_info.h"
#include "checkpoint/byte_source.h"

namespace merganser::torch_archive {

enum class Form {
  none,    // no archive of PyTorch's
  zip,     // since PyTorch 1.6: data.pkl and one entry for each storage
  legacy,  // before, and with _use_new_zipfile_serialization=False: pickles, then the storages
};

// From the first bytes of a file, 16 at least unless it is shorter.
Form form_of(std::span<const std::byte> beginning);
Form form_of_file(const InputFile& file);

struct Tensor {
  TensorInfo info;
  std::uint64_t offset = 0;            // byte of its first element in the file
  std::vector<std::uint64_t> strides;  // in elements; empty where it is contiguous
};

struct Contents {
  std::vector<Tensor> tensors;
  std::vector<std::string> notes;
};

// Reads the directory and the pickle, never the tensors. Every byte that a tensor stands for lies
// within the file. Throws Error: corrupt; unsupported (TorchScript, big-endian numbers, compressed
// entries, what read_state_dict refuses).
Contents read_archive(const ByteSource& file, Form form);

}  // namespace merganser::torch_archive
