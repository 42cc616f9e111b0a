// What PyTorch's pickles mean: which calls are tensors, which dict holds the weights. The facts are
// those of torch/_utils.py, torch/_tensor.py and torch/serialization.py of PyTorch 2.13.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor_info.h"
#include "checkpoint/pickle_values.h"

namespace merganser::torch_objects {

// Bytes that tensors are views of, kept outside of the pickle.
struct Storage {
  std::string_view key;
  std::string_view dtype;          // PyTorch's name; "uint8" for an untyped storage
  std::optional<DType> element;    // nothing for what this program cannot hold
  std::uint64_t element_size = 0;  // bytes
  std::uint64_t count = 0;         // elements
  // An old kind of view of another storage: its first element there, and how many.
  std::uint64_t view_begin = 0, view_count = 0;
};

// Of a persistent value; nothing for what is no storage. Views refer to the texts of `values`.
std::optional<Storage> storage_of(const pickle::Values& values, pickle::Id id);

struct Tensor {
  TensorInfo info;
  Storage storage;
  std::uint64_t begin = 0;             // byte of its first element in the storage
  std::vector<std::uint64_t> strides;  // in elements; empty where it is contiguous
};

struct StateDict {
  std::vector<Tensor> tensors;  // in the order of the dict
  std::vector<std::string> notes;
};

// The weights of what was saved: the dict under the first of these keys of the outermost dict that
// is itself a dict with tensors:
//   state_dict model_state_dict model module params_ema params net weights ema_state_dict
// else the outermost dict if it holds tensors, else the only dict in it that does. Entries that are
// no tensors are left out with a note. Every tensor lies within its storage. Throws Error:
// unsupported (no such dict or several; sparse, quantised, complex, meta and other tensors that are
// no plain numbers, naming tensor and kind; keys that are no text), corrupt (sizes, strides).
StateDict read_state_dict(const pickle::Values& values, pickle::Id root, const std::string& file);

}  // namespace merganser::torch_objects
