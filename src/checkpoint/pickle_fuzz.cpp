// libFuzzer: whatever the bytes, a pickle, its state dict and an archive of the legacy form are
// read or refused with an Error; values refer to values that are there, and tensors lie within
// their storages.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "checkpoint/pickle.h"
#include "checkpoint/torch_archive.h"
#include "checkpoint/torch_objects.h"

namespace {

using merganser::pickle::Id;
using merganser::pickle::Values;

void check_values(const Values& values) {
  for (Id id = 0; id < values.size(); ++id) {
    const auto items = values.items(id);
    if (items.size() != values.count(id)) std::abort();
    for (const Id item : items) {
      if (item >= values.size()) std::abort();
    }
    if (values.describe(id).empty()) std::abort();
  }
}

void read_alone(const merganser::ByteSource& file) {
  Values values;
  merganser::pickle::Input input(file, 0, file.size);
  const Id root = merganser::pickle::read(input, values);
  check_values(values);
  const auto state = merganser::torch_objects::read_state_dict(values, root, file.name);
  for (const auto& tensor : state.tensors) {
    const auto& storage = tensor.storage;
    if (tensor.info.bytes() == 0) continue;
    std::uint64_t end = tensor.begin + size_of(tensor.info.dtype);
    for (std::size_t i = 0; i < tensor.strides.size(); ++i) {
      end += (tensor.info.shape[i] - 1) * tensor.strides[i] * size_of(tensor.info.dtype);
    }
    if (tensor.strides.empty()) end = tensor.begin + tensor.info.bytes();
    if (end > storage.count * storage.element_size) std::abort();
  }
}

void read_archive(const merganser::ByteSource& file) {
  const auto contents =
      merganser::torch_archive::read_archive(file, merganser::torch_archive::Form::legacy);
  for (const auto& tensor : contents.tensors) {
    if (tensor.strides.empty() && tensor.info.bytes() > 0 &&
        (tensor.offset > file.size || tensor.info.bytes() > file.size - tensor.offset)) {
      std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto file = merganser::source_of(bytes, "fuzz");
  for (const auto step : {read_alone, read_archive}) {
    try {
      step(file);
    } catch (const merganser::Error&) {
    }
  }
  return 0;
}
